-- Rejected readings by reason
-- What curation refused in the last seven days of arrivals, by reason and day, with a sensor and a row as an example. A
-- row with two reasons counts for both.
with newest as (
    select max(arrival_hour) as arrival_hour from curated.rejected_readings
)

select
    reasons.reason,
    date(rejected.arrival_hour) as arrival_date,
    count(*) as readings,
    count(distinct rejected.sensor_id) as sensors,
    max_by(rejected.sensor_id, rejected.arrived_at) as example_sensor_id,
    max_by(rejected.original, rejected.arrived_at) as example
from curated.rejected_readings as rejected
cross join unnest(rejected.reasons) as reasons (reason)
cross join newest
where rejected.arrival_hour > newest.arrival_hour - interval '7' day
group by reasons.reason, date(rejected.arrival_hour)
order by arrival_date desc, readings desc
