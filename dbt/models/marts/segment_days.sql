-- Unique at the level of segment_id, local_date.
{{ config(materialized='view') }}
{{ with_silent_segments(ref('congestion_daily'), ref('int_segment__registered'), ref('dim_date'), 'day') }}
