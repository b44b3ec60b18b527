-- Unique at the level of segment_id, interval_start: the 5-minute rows measured against the free-flow speed.
{{ config(materialized='view') }}

with referenced as (
    select
        intervals.*,
        coalesce(intervals.speed_limit_kmh, estimated.free_flow_kmh) as free_flow_kmh
    from {{ ref('int_segment__5min') }} as intervals
    left join {{ ref('int_segment__free_flow') }} as estimated
        on intervals.segment_id = estimated.segment_id
)

select
    segment_id,
    interval_start,
    hour_start,
    local_date,
    local_hour,
    corridor_id,
    zone_id,
    length_km,
    volume_veh,
    volume_basis,
    imputation,
    speed_kmh,
    free_flow_kmh,
    vkt,
    vht,
    samples_observed,
    samples_expected,
    observed_share,
    congestion_basis,
    -- Hours that the same vehicles would have needed at free flow; only where their real hours are known.
    case when vht is not null then vkt / free_flow_kmh end as free_flow_vht,
    case when vkt = 0 then 0e0 else greatest(0e0, vht - vkt / free_flow_kmh) end as delay_veh_h,
    case congestion_basis
        when 'speed'
            then 100 * least(
                1e0,
                greatest(0e0, (free_flow_kmh - speed_kmh) / ({{ var('congestion_index_span') }} * free_flow_kmh))
            )
        when 'volume' then 100 * least(1e0, volume_veh / (capacity_veh_h / 12))
    end as congestion_index,
    coalesce(speed_kmh < {{ var('congested_speed_ratio') }} * free_flow_kmh, false) as is_congested
from referenced
