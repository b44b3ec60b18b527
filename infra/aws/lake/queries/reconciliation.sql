-- Reconciliation by day
-- Where every record of a day of arrivals went: what landed is curated, a duplicate or rejected. What was sent is known
-- of the hours that are counted beside it. An hour that does not add up is in the last column; there should be none.
select
    date(arrival_hour) as arrival_date,
    count(*) as hours,
    count(sent) as hours_with_sent,
    sum(sent) as sent,
    sum(landed) as landed,
    sum(conversion_errors) as conversion_errors,
    sum(curated) as curated,
    sum(duplicates) as duplicates,
    sum(rejected) as rejected,
    count_if(not is_balanced) as unbalanced_hours
from marts.reconciliation_hourly
group by date(arrival_hour)
order by arrival_date desc
