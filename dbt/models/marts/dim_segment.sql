-- Unique at the level of segment_id: the current version.
select
    segments.segment_id,
    segments.corridor_id,
    segments.zone_id,
    segments.lanes,
    segments.latitude,
    segments.longitude,
    segments.position_km,
    segments.length_km,
    segments.capacity_veh_h,
    segments.speed_limit_kmh,
    segments.assumed_flow_veh_h,
    coalesce(segments.speed_limit_kmh, estimated.free_flow_kmh) as free_flow_kmh,
    case when segments.speed_limit_kmh is not null then 'speed_limit' else estimated.basis end as free_flow_basis,
    segments.valid_from
from {{ ref('stg_reference__segments') }} as segments
left join {{ ref('int_segment__free_flow') }} as estimated
    on segments.segment_id = estimated.segment_id
where segments.is_current
