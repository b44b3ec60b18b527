-- Unique at the level of segment_id, interval_start.
-- Month partitions: Athena opens at most 100 in one statement, and the statistics of the files leave out the rest.
-- A row of the target that the registry no longer gives (a sensor moved) comes as keys alone and is deleted.
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['segment_id', 'interval_start'],
    delete_condition='src.samples_expected is null',
    partitioned_by=['month(interval_start)'],
) }}
{% do source('curated', 'pending_hours') %}
{% set spans = pending_event_spans() if is_incremental() else [] %}

with sensor_intervals as (
    select * from {{ ref('stg_curated__sensor_5min') }}
    {%- if is_incremental() %}
    where {{ in_spans('interval_start', spans) }}
    {%- endif %}
),

-- A lane with two sensors: both saw the same vehicles, so their mean counts.
lanes as (
    select
        sensors.segment_id,
        observed.interval_start,
        coalesce(cast(sensors.lane as varchar), sensors.sensor_id) as lane_key,
        {{ exact_sum('observed.volume_veh') }} / count(observed.volume_veh) as volume_veh,
        {{ space_mean_speed('observed.volume_veh', 'observed.speed_kmh') }} as speed_kmh,
        {{ exact_sum('least(observed.samples_observed, observed.samples_expected)') }} / count(*) as samples_observed
    from sensor_intervals as observed
    inner join {{ ref('stg_reference__sensors') }} as sensors
        on
            observed.sensor_id = sensors.sensor_id
            and observed.interval_start >= sensors.valid_from
            and observed.interval_start < sensors.valid_to
    group by 1, 2, 3
),

segments as (
    select
        segment_id,
        interval_start,
        count(volume_veh) as lanes_counted,
        {{ exact_sum('volume_veh') }} as volume_veh,
        {{ space_mean_speed('volume_veh', 'speed_kmh') }} as speed_kmh,
        {{ exact_sum('samples_observed') }} as samples_observed
    from lanes
    group by 1, 2
),

with_volume as (
    select
        segments.segment_id,
        segments.interval_start,
        registered.corridor_id,
        registered.zone_id,
        registered.length_km,
        registered.capacity_veh_h,
        registered.speed_limit_kmh,
        segments.speed_kmh,
        least(segments.samples_observed, registered.samples_expected) as samples_observed,
        registered.samples_expected,
        case
            when segments.lanes_counted > 0
                then segments.volume_veh * registered.lanes_expected / segments.lanes_counted
            when segments.speed_kmh is not null
                then registered.assumed_flow_veh_h / 12
        end as volume_veh,
        case
            when segments.lanes_counted > 0 then 'observed'
            when segments.speed_kmh is not null and registered.assumed_flow_veh_h is not null then 'assumed'
        end as volume_basis,
        case
            when segments.lanes_counted between 1 and registered.lanes_expected - 1 then 'lane' else 'none'
        end as imputation
    from segments
    inner join {{ ref('int_segment__registered') }} as registered
        on
            segments.segment_id = registered.segment_id
            and segments.interval_start >= registered.valid_from
            and segments.interval_start < registered.valid_to
),

final as (
    select
        segment_id,
        interval_start,
        {{ local_hour_start('interval_start') }} as hour_start,
        cast({{ local_time('interval_start') }} as date) as local_date,
        cast(hour({{ local_time('interval_start') }}) as integer) as local_hour,
        corridor_id,
        zone_id,
        length_km,
        capacity_veh_h,
        speed_limit_kmh,
        volume_veh,
        volume_basis,
        imputation,
        speed_kmh,
        case
            when speed_kmh is not null then 'speed' when volume_veh is not null then 'volume'
        end as congestion_basis,
        volume_veh * length_km as vkt,
        -- Nobody on the road has spent no time on it, whatever the speed would have been.
        case when volume_veh = 0 then 0e0 else volume_veh * length_km / speed_kmh end as vht,
        samples_observed,
        samples_expected,
        samples_observed / samples_expected as observed_share
    from with_volume
)

{{ with_vanished('final', ['segment_id', 'interval_start'], [
    'hour_start', 'local_date', 'local_hour', 'corridor_id', 'zone_id', 'length_km', 'capacity_veh_h',
    'speed_limit_kmh', 'volume_veh', 'volume_basis', 'imputation', 'speed_kmh', 'congestion_basis', 'vkt', 'vht',
    'samples_observed', 'samples_expected', 'observed_share'
], in_spans('interval_start', spans)) }}
