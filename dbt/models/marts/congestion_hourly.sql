-- Unique at the level of segment_id, hour_start.
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['segment_id', 'hour_start'],
    delete_condition='src.samples_expected is null',
    partitioned_by=['month(hour_start)'],
) }}
{{ congestion_mart('segment', 'hour') }}
