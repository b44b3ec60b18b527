{# A segment mart with its silence: the mart's rows, and one for each segment that sent nothing in an hour (or day) in
   which another sent something, where the registry holds it at the start. So the share observed of a zone or corridor
   is that of all its segments. A view, because the registry may change later what was expected of hours long past.
   Dates are compared beside hours, so that a filter on days reaches the files of both readings of the mart. #}
{% macro with_silent_segments(mart, registered_segments, dates, period) %}
{% set period_start = 'periods.hour_start' if period == 'hour' else day_start('periods.local_date') %}
{% set times = ['hour_start', 'local_date', 'local_hour'] if period == 'hour' else ['local_date'] %}
{% set keys = ['segment_id', 'corridor_id', 'zone_id'] + times + ['day_type'] %}
{% set period_intervals = 12 if period == 'hour' else intervals_of_day('periods.local_date') %}
{% set figures = [
    'volume_veh', 'vkt', 'vht', 'speed_kmh', 'delay_veh_h', 'travel_time_index', 'congestion_index_avg',
    'congestion_index_max'
] %}
with periods as (
    select distinct {{ times | join(', ') }} from {{ mart }}
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
    congested_minutes,
    observed_share,
    is_reliable,
    samples_observed,
    samples_expected
from {{ mart }}
union all
select
    {{ keys | join(',\n    ') }},
    {%- for figure in figures %}
    cast(null as double) as {{ figure }},
    {%- endfor %}
    cast(null as bigint) as congested_minutes,
    0e0 as observed_share,
    false as is_reliable,
    0e0 as samples_observed,
    samples_expected
from silent
{% endmacro %}
