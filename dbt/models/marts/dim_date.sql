-- Unique at the level of local_date.
-- Months first: a sequence holds at most 10,000 entries.
with months as (
    select month_start
    from unnest(sequence(
        date '{{ var("dim_date_first") }}', date '{{ var("dim_date_last") }}', interval '1' month
    )) as calendar (month_start)
),

days as (
    select local_date
    from months
    cross join unnest(sequence(month_start, last_day_of_month(month_start))) as calendar (local_date)
)

select
    days.local_date,
    cast(year(days.local_date) as integer) as year,
    cast(month(days.local_date) as integer) as month,
    cast(day_of_week(days.local_date) as integer) as iso_day_of_week,
    day_of_week(days.local_date) > 5 as is_weekend,
    holidays.holiday_name is not null as is_holiday,
    holidays.holiday_name,
    case
        when holidays.holiday_name is not null then 'holiday'
        when day_of_week(days.local_date) > 5 then 'weekend'
        else 'weekday'
    end as day_type
from days
left join {{ ref('holidays') }} as holidays
    on days.local_date = holidays.holiday_date
