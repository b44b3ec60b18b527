select
    sensor_id,
    segment_id,
    lane,
    interval_s,
    cast(valid_from as timestamp(6)) as valid_from,
    -- Open-ended versions end beyond every reading, so that a join needs one comparison.
    coalesce(cast(valid_to as timestamp(6)), timestamp '9999-12-31 00:00:00') as valid_to,
    valid_to is null as is_current
from {{ source('reference', 'sensors') }}
