select
    "$path" as object_path,
    dt,
    hour,
    date_add('hour', hour, cast(date(dt) as timestamp(6))) as arrival_hour,
    documents,
    first_sent_at,
    last_sent_at,
    via
from {{ source('raw', 'sent_batches') }}
