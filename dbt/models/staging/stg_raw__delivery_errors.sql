-- One row per object of the error output.
select
    "$path" as object_path,
    dt,
    hour,
    date_add('hour', hour, cast(date(dt) as timestamp(6))) as arrival_hour,
    count(*) as documents
from {{ source('raw', 'delivery_errors') }}
group by 1, 2, 3, 4
