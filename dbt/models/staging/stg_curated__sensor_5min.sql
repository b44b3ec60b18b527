select
    sensor_id,
    interval_start,
    samples_expected,
    samples_observed,
    volume_veh,
    interval_s,
    -- A speed below the smallest is a broken number; without this one vehicle could travel for years.
    case when speed_kmh >= {{ var('slowest_speed_kmh') }} then speed_kmh end as speed_kmh
from {{ source('curated', 'sensor_5min') }}
