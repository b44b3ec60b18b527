-- Unique at the level of zone_id, local_date.
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['zone_id', 'local_date'],
    delete_condition='src.samples_expected is null',
    partitioned_by=['month(local_date)'],
) }}
{{ congestion_mart('zone', 'day') }}
