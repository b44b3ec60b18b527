-- Unique at the level of segment_id, hour_start.
{{ config(materialized='view') }}
{{ with_silent_segments(ref('congestion_hourly'), ref('int_segment__registered'), ref('dim_date'), 'hour') }}
