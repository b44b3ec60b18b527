-- Unique at the level of arrival_hour. Each term is counted from its own table.
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['arrival_hour'],
    partitioned_by=['month(arrival_hour)'],
) }}
{% do source('curated', 'pending_hours') %}
{% set spans = pending_arrival_spans() %}
{% set event_spans = landed_event_spans(spans) %}

with processed as (
    select
        object_path,
        kind,
        arrival_hour
    from {{ source('curated', 'processed_objects') }}
    -- One hour earlier: its last objects say whether the edge of the hour is blurred.
    where {{ in_spans("arrival_hour", spans) }} or {{ in_spans("date_add('hour', 1, arrival_hour)", spans) }}
),

landed as (
    select
        landed.arrival_hour,
        sum(landed.documents) as landed
    from {{ ref('stg_raw__landed') }} as landed
    inner join processed
        on landed.object_path = processed.object_path and processed.kind = 'readings'
    where {{ in_landing_spans('landed', spans) }}
    group by 1
),

conversion_errors as (
    select
        errors.arrival_hour,
        sum(errors.documents) as conversion_errors
    from {{ ref('stg_raw__delivery_errors') }} as errors
    inner join processed
        on errors.object_path = processed.object_path and processed.kind = 'errors'
    where {{ in_landing_spans('errors', spans) }}
    group by 1
),

curated as (
    select
        arrival_hour,
        count(*) as curated
    from {{ source('curated', 'readings') }}
    where {{ in_spans('arrival_hour', spans) }}
    group by 1
),

-- A valid landed row is a duplicate where another landing of the same key is the reading.
duplicates as (
    select
        keys.arrival_hour,
        count(*) as duplicates
    from {{ source('curated', 'landed_keys') }} as keys
    inner join {{ source('curated', 'readings') }} as readings
        on keys.sensor_id = readings.sensor_id and keys.ts = readings.ts
    where
        {{ in_spans('keys.arrival_hour', spans) }}
        and {{ in_spans('readings.ts', event_spans) }}
        and (keys.source_file != readings.source_file or keys.source_row != readings.source_row)
    group by 1
),

rejected as (
    select
        arrival_hour,
        count_if(source_kind = 'landing') as rejected,
        count_if(source_kind = 'delivery_error') as rejected_delivery_errors
    from {{ source('curated', 'rejected_readings') }}
    where {{ in_spans('arrival_hour', spans) }}
    group by 1
),

sent_batches as (
    select sent.*
    from {{ ref('stg_raw__sent_batches') }} as sent
    inner join processed
        on sent.object_path = processed.object_path and processed.kind = 'sent'
    where {{ in_landing_spans('sent', spans) }}
),

sent as (
    select
        arrival_hour,
        sum(documents) as documents
    from sent_batches
    group by 1
),

-- A batch on the edge of an hour may be delivered under the other one: its object is named for the oldest record
-- in it, and delivery takes its time. Neither hour's count is then comparable. The archive writes objects itself.
blurred as (
    select date_add('hour', 1, arrival_hour) as arrival_hour
    from sent_batches
    where
        via != 'archive'
        and last_sent_at >= date_add('minute', 60 - {{ var('delivery_slack_minutes') }}, arrival_hour)
    union
    select arrival_hour
    from sent_batches
    where
        via != 'archive'
        and last_sent_at >= date_add('minute', 60 - {{ var('delivery_slack_minutes') }}, arrival_hour)
    union
    select sent_batches.arrival_hour
    from sent_batches
    inner join processed
        on processed.arrival_hour = date_add('hour', -1, sent_batches.arrival_hour)
    where
        sent_batches.via != 'archive'
        and sent_batches.first_sent_at
        < date_add('minute', {{ var('delivery_slack_minutes') }}, sent_batches.arrival_hour)
        and processed.kind in ('readings', 'errors')
        and date_parse(
            regexp_extract(processed.object_path, '(\d{4}(-\d{2}){5})-[^/]*$', 1), '%Y-%m-%d-%H-%i-%s'
        ) >= date_add('minute', -{{ var('delivery_slack_minutes') }}, sent_batches.arrival_hour)
),

hours as (
    select arrival_hour from processed where {{ in_spans('arrival_hour', spans) }}
    union
    select arrival_hour from curated
    union
    select arrival_hour from rejected
),

counted as (
    select
        hours.arrival_hour,
        sent.documents as sent_documents,
        blurred.arrival_hour is not null as is_blurred,
        coalesce(landed.landed, 0) as landed,
        coalesce(conversion_errors.conversion_errors, 0) as conversion_errors,
        coalesce(curated.curated, 0) as curated,
        coalesce(duplicates.duplicates, 0) as duplicates,
        coalesce(rejected.rejected, 0) as rejected,
        coalesce(rejected.rejected_delivery_errors, 0) as rejected_delivery_errors
    from hours
    left join landed on hours.arrival_hour = landed.arrival_hour
    left join conversion_errors on hours.arrival_hour = conversion_errors.arrival_hour
    left join curated on hours.arrival_hour = curated.arrival_hour
    left join duplicates on hours.arrival_hour = duplicates.arrival_hour
    left join rejected on hours.arrival_hour = rejected.arrival_hour
    left join sent on hours.arrival_hour = sent.arrival_hour
    left join blurred on hours.arrival_hour = blurred.arrival_hour
),

-- More landed than the senders wrote down: others send too, so what was sent is not known.
with_sent as (
    select
        *,
        case
            when not is_blurred and sent_documents >= landed + conversion_errors then sent_documents
        end as sent
    from counted
)

select
    arrival_hour,
    sent,
    landed,
    conversion_errors,
    curated,
    duplicates,
    rejected,
    landed = curated + duplicates + rejected
    and conversion_errors = rejected_delivery_errors
    and coalesce(sent = landed + conversion_errors, true) as is_balanced
from with_sent
