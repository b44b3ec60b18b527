-- Sums are the same at every grain, to 1e-9 of their size: 5 minutes, hour, day, and segments against zones.
-- Grouped by local day, so that a failure says where.
{% set measures = ['volume_veh', 'vkt', 'vht', 'delay_veh_h', 'samples_observed', 'congested_minutes'] %}
{% set grains = {
    'five_minutes': 'int_segment__5min_congestion',
    'segment_hours': 'congestion_hourly',
    'segment_days': 'congestion_daily',
    'zone_hours': 'zone_congestion_hourly',
    'zone_days': 'zone_congestion_daily',
} %}

with measured as (
    {%- for grain, model in grains.items() %}
    select
        '{{ grain }}' as grain,
        local_date,
        volume_veh,
        vkt,
        vht,
        delay_veh_h,
        samples_observed,
        {{ 'if(is_congested, 5, 0) as congested_minutes' if grain == 'five_minutes' else 'congested_minutes' }}
    from {{ ref(model) }}
    {{ where_touched('local_date', 'date') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

totals as (
    select
        {%- for measure in measures %}
        coalesce(sum({{ measure }}), 0) as {{ measure }},
        {%- endfor %}
        grain,
        local_date
    from measured
    group by grain, local_date
)

select local_date
from totals
group by local_date
having
    count(*) != {{ grains | length }}
    {%- for measure in measures %}
    or max({{ measure }}) - min({{ measure }}) > 1e-9 * greatest(max({{ measure }}), 1e-3)
    {%- endfor %}
