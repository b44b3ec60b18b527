select
    segment_id,
    corridor_id,
    zone_id,
    lanes,
    latitude,
    longitude,
    position_km,
    length_km,
    capacity_veh_h,
    speed_limit_kmh,
    assumed_flow_veh_h,
    cast(valid_from as timestamp(6)) as valid_from,
    -- Open-ended versions end beyond every reading, so that a join needs one comparison.
    coalesce(cast(valid_to as timestamp(6)), timestamp '9999-12-31 00:00:00') as valid_to,
    valid_to is null as is_current
from {{ source('reference', 'segments') }}
