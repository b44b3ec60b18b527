-- One row per landing object. "$path" names the object that a row was read from.
select
    "$path" as object_path,
    dt,
    hour,
    date_add('hour', hour, cast(date(dt) as timestamp(6))) as arrival_hour,
    count(*) as documents
from {{ source('raw', 'sensor_readings') }}
group by 1, 2, 3, 4
