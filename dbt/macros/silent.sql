{# A segment mart with its silence: the mart's rows, and one for each segment that sent nothing in an hour (or day) in
   which another sent something, where the registry holds it at the start. So the share observed of a zone or corridor
   is that of all its segments. Of the newest `silence_days`, hours (or days) in which nobody sent anything count too:
   the whole feed was dead. Further back, one device with a wrong clock would make years of silence.
   A view, because the registry may change later what was expected of hours long past.
   Dates are compared beside hours, so that a filter on days reaches the files of both readings of the mart. #}
{% macro with_silent_segments(mart, registered_segments, dates, period) %}
{% set period_start = 'periods.hour_start' if period == 'hour' else day_start('periods.local_date') %}
{% set times = ['hour_start', 'local_date', 'local_hour'] if period == 'hour' else ['local_date'] %}
{% set keys = ['segment_id', 'corridor_id', 'zone_id'] + times + ['day_type'] %}
{% set period_intervals = 12 if period == 'hour' else intervals_of_day('periods.local_date') %}
{% set figures = {
    'volume_veh': 'double', 'vkt': 'double', 'vht': 'double', 'speed_kmh': 'double', 'delay_veh_h': 'double',
    'travel_time_index': 'double', 'congestion_index_avg': 'double', 'congestion_index_max': 'double',
    'congested_minutes': 'bigint', 'volume_basis': 'varchar', 'imputation': 'varchar'
} %}
with {{ calendar_hours(mart, dates) if period == 'hour' else calendar_days(mart, dates) }},

periods as (
    select {{ times | join(', ') }} from {{ mart }}
    union
    select {{ times | join(', ') }} from calendar
),

silent as (
    select
        registered.segment_id,
        registered.corridor_id,
        registered.zone_id,
        {%- for time in times %}
        periods.{{ time }},
        {%- endfor %}
        dim_date.day_type,
        registered.samples_expected * {{ period_intervals }} as samples_expected
    from periods
    inner join {{ registered_segments }} as registered
        on
            {{ period_start }} >= registered.valid_from
            and {{ period_start }} < registered.valid_to
    left join {{ dates }} as dim_date
        on periods.local_date = dim_date.local_date
    left join {{ mart }} as heard
        on
            registered.segment_id = heard.segment_id
            {%- for time in times if time != 'local_hour' %}
            and periods.{{ time }} = heard.{{ time }}
            {%- endfor %}
    where heard.segment_id is null
)

select
    {{ keys | join(',\n    ') }},
    {{ figures | join(',\n    ') }},
    observed_share,
    is_reliable,
    samples_observed,
    samples_expected
from {{ mart }}
union all
select
    {{ keys | join(',\n    ') }},
    {%- for figure, type in figures.items() %}
    cast(null as {{ type }}) as {{ figure }},
    {%- endfor %}
    0e0 as observed_share,
    false as is_reliable,
    0e0 as samples_observed,
    samples_expected
from silent
{% endmacro %}

{# Common table expressions that end with `calendar`: each of the newest local days from the mart's first. #}
{% macro calendar_days(mart, dates) -%}
bounds as (
    select
        greatest(min(local_date), date_add('day', -{{ var('silence_days') }}, max(local_date))) as first_date,
        max(local_date) as newest_date
    from {{ mart }}
),

calendar as (
    select dim_date.local_date
    from {{ dates }} as dim_date
    cross join bounds
    where dim_date.local_date between bounds.first_date and bounds.newest_date
)
{%- endmacro %}

{# Common table expressions that end with `calendar`: each of the newest local hours from the mart's first. Hours are
   steps of 60 minutes from local midnight to the next one, 23 to 25 of them, so that none is lost or counted twice
   when the clocks change. #}
{% macro calendar_hours(mart, dates) -%}
{% set step = "date_add('hour', steps.hours, " ~ day_start('dim_date.local_date') ~ ")" %}
bounds as (
    select
        greatest(min(hour_start), date_add('day', -{{ var('silence_days') }}, max(hour_start))) as first_hour,
        max(hour_start) as newest_hour
    from {{ mart }}
),

hours as (
    select
        {{ local_hour_start(step) }} as hour_start,
        dim_date.local_date
    from {{ dates }} as dim_date
    cross join bounds
    cross join unnest(sequence(0, 24)) as steps (hours)
    where
        dim_date.local_date
        between cast({{ local_time('bounds.first_hour') }} as date)
        and cast({{ local_time('bounds.newest_hour') }} as date)
        and {{ step }} < {{ day_start("date_add('day', 1, dim_date.local_date)") }}
),

calendar as (
    select
        hours.hour_start,
        hours.local_date,
        cast(hour({{ local_time('hours.hour_start') }}) as integer) as local_hour
    from hours
    cross join bounds
    where hours.hour_start between bounds.first_hour and bounds.newest_hour
)
{%- endmacro %}
