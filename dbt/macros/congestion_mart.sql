{# A congestion mart: the 5-minute rows of a `thing` (segment or zone) rolled up to a `period` (hour or day).
   Every grain is made of the same 5-minute rows by the same formulas, so that no figure is a mean of means. #}
{% macro congestion_mart(thing, period) %}
{% set thing_key = thing ~ '_id' %}
{% set period_key = 'hour_start' if period == 'hour' else 'local_date' %}
{% set keys = [thing_key, period_key] %}
{% set places = ['corridor_id', 'zone_id'] if thing == 'segment' else [] %}
{% set times = ['local_date', 'local_hour'] if period == 'hour' else [] %}
{% set figures = [
    'volume_veh', 'vkt', 'vht', 'speed_kmh', 'free_flow_kmh', 'delay_veh_h', 'travel_time_index',
    'congestion_index_avg', 'congestion_index_min', 'congestion_index_max', 'congested_minutes'
] %}
{% set notes = ['volume_basis', 'congestion_basis', 'imputation', 'samples_observed'] %}
{% set columns = places + times + ['day_type'] + figures + ['observed_share', 'is_reliable'] + notes + ['samples_expected'] %}
{% set passed_on = keys + places + times + ['day_type'] + figures + notes %}
{# A segment outside every zone still counts: the zones add up to the city. #}
{% set zone_id = "coalesce(zone_id, 'unassigned')" %}
{# Outside the condition, because dbt looks for dependencies where a model is not incremental yet. #}
{% set estimated = ref('int_segment__free_flow') %}
{% set registered = ref('int_segment__registered') %}
{% do source('curated', 'pending_hours') %}
{% set scope = [] %}
{% if is_incremental() %}
    {% do scope.append(in_spans(period_key, pending_event_spans(), 'hour' if period == 'hour' else 'date')) %}
    {% set changed_segments = free_flow_changes(estimated) %}
    {% if changed_segments %}
        {% if thing == 'segment' %}
            {% do scope.append('segment_id in (' ~ changed_segments ~ ')') %}
        {% else %}
            {% set changed_zones %}
                select {{ zone_id }} from {{ registered }}
                where segment_id in ({{ changed_segments }})
            {% endset %}
            {% do scope.append(zone_id ~ ' in (' ~ changed_zones ~ ')') %}
        {% endif %}
    {% endif %}
{% endif %}

with intervals as (
    select
        *,
        {{ zone_id }} as grouping_zone_id
    from {{ ref('int_segment__5min_congestion') }}
    {% if is_incremental() %}
    where {{ scope | join(' or ') }}
    {% endif %}
),

rolled_up as (
    select
        {{ 'segment_id' if thing == 'segment' else 'grouping_zone_id as zone_id' }},
        {{ period_key }},
        {%- for place in places %}
        max_by({{ place }}, interval_start) as {{ place }},
        {%- endfor %}
        {%- if period == 'hour' %}
        min(local_date) as local_date,
        min(local_hour) as local_hour,
        hour_start as period_start,
        12 as period_intervals,
        {%- else %}
        {{ day_start('local_date') }} as period_start,
        {{ intervals_of_day('local_date') }} as period_intervals,
        {%- endif %}
        {{ measures() }}
    from intervals
    group by {{ 'segment_id' if thing == 'segment' else 'grouping_zone_id' }}, {{ period_key }}
),

-- What the registry lets expect of the whole period, so that silence counts as unobserved. Joined before grouping
-- again, because a second look at the rolled-up rows would make the engine roll them up twice.
completed as (
    select
        {%- for column in passed_on %}
        {{ 'dim_date' if column == 'day_type' else 'rolled_up' }}.{{ column }},
        {%- endfor %}
        -- A segment that joined during the period was expected for less than the registry's whole period.
        greatest(
            max(rolled_up.samples_expected_of_rows),
            coalesce({{ exact_sum('registered.samples_expected * rolled_up.period_intervals') }}, 0)
        ) as samples_expected
    from rolled_up
    left join {{ registered }} as registered
        on
            {% if thing == 'segment' -%}
            rolled_up.segment_id = registered.segment_id
            {%- else -%}
            rolled_up.zone_id = coalesce(registered.zone_id, 'unassigned')
            {%- endif %}
            and rolled_up.period_start >= registered.valid_from
            and rolled_up.period_start < registered.valid_to
    left join {{ ref('dim_date') }} as dim_date
        on rolled_up.local_date = dim_date.local_date
    group by {{ range(1, passed_on | length + 1) | join(', ') }}
),

final as (
    select
        *,
        samples_observed / samples_expected as observed_share,
        samples_observed / samples_expected >= {{ var('reliable_share') }} as is_reliable
    from completed
)

{{ with_vanished('final', keys, columns, scope | join(' or ')) }}
{% endmacro %}

{# The measures of a cell, as aggregates over its 5-minute rows. Where no volume is known, every kilometre counts
   alike: speed and travel time index are then over lengths. #}
{% macro measures() -%}
        {{ exact_sum('volume_veh') }} as volume_veh,
        {{ exact_sum('vkt') }} as vkt,
        {{ exact_sum('vht') }} as vht,
        -- Σ vkt ÷ Σ vht over the intervals whose hours are known.
        coalesce(
            {{ exact_sum('case when vht is not null then vkt end') }} / nullif({{ exact_sum('vht') }}, 0),
            {{ exact_sum('case when speed_kmh is not null then length_km end') }}
            / {{ exact_sum('length_km / speed_kmh') }}
        ) as speed_kmh,
        case
            when min(free_flow_kmh) = max(free_flow_kmh) then min(free_flow_kmh)
            else coalesce(
                {{ exact_sum('case when free_flow_vht is not null then vkt end') }}
                / nullif({{ exact_sum('free_flow_vht') }}, 0),
                {{ exact_sum('case when free_flow_kmh is not null then length_km end') }}
                / {{ exact_sum('length_km / free_flow_kmh') }}
            )
        end as free_flow_kmh,
        {{ exact_sum('delay_veh_h') }} as delay_veh_h,
        -- Σ vht ÷ Σ (vkt ÷ free flow).
        coalesce(
            {{ exact_sum('case when free_flow_vht is not null then vht end') }}
            / nullif({{ exact_sum('free_flow_vht') }}, 0),
            {{ exact_sum('case when free_flow_kmh is not null then length_km / speed_kmh end') }}
            / {{ exact_sum('case when speed_kmh is not null then length_km / free_flow_kmh end') }}
        ) as travel_time_index,
        -- Weighted by observed time.
        {{ exact_sum('congestion_index * observed_share') }}
        / nullif({{ exact_sum('case when congestion_index is not null then observed_share end') }}, 0)
            as congestion_index_avg,
        min(congestion_index) as congestion_index_min,
        max(congestion_index) as congestion_index_max,
        5 * count_if(is_congested) as congested_minutes,
        {{ same_or_mixed('volume_basis') }} as volume_basis,
        {{ same_or_mixed('congestion_basis') }} as congestion_basis,
        {{ same_or_mixed('imputation') }} as imputation,
        {{ exact_sum('samples_observed') }} as samples_observed,
        {{ exact_sum('samples_expected') }} as samples_expected_of_rows
{%- endmacro %}
