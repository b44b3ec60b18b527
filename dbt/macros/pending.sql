{# What curation says has to be recomputed, read when a model is compiled, so that the statement holds literals and
   Iceberg leaves out what they exclude. Returns a list of spans
   {from, to, hour_from, date_from, date_to, last_hour}: UTC hours [from, to) as text, the start of the local hour that
   `from` lies in, the local dates that the span touches, and its last UTC hour.
   Both margins are harmless when too wide: the recomputed rows are equal. #}
{% macro spans_of_hours(hours_query, margin_hours) %}
    {% set spans = [] %}
    {% if execute %}
        {% set ns = namespace(done=false) %}
        {% for gap in [2 * margin_hours + 1, 24, 24 * 31, 24 * 366 * 100] if not ns.done %}
            {% set rows = run_query(spans_query(hours_query, margin_hours, gap)).rows %}
            {% if rows | length <= var('max_pending_spans') or loop.last %}
                {% for row in rows %}
                    {% do spans.append({
                        'from': row[0], 'to': row[1], 'hour_from': row[2], 'date_from': row[3], 'date_to': row[4],
                        'last_hour': row[5]
                    }) %}
                {% endfor %}
                {% set ns.done = true %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(spans) }}
{% endmacro %}

{% macro spans_query(hours_query, margin_hours, gap) %}
    with hours as (
        select distinct date_diff('hour', timestamp '1970-01-01 00:00:00', hour_start) as hour_number
        from ({{ hours_query }})
    ),

    marked as (
        select
            hour_number,
            case
                when hour_number - lag(hour_number) over (order by hour_number) <= {{ gap }} then 0 else 1
            end as starts
        from hours
    ),

    numbered as (
        select hour_number, sum(starts) over (order by hour_number) as span_number
        from marked
    ),

    spans as (
        select
            date_add('hour', min(hour_number) - {{ margin_hours }}, timestamp '1970-01-01 00:00:00') as span_from,
            date_add('hour', max(hour_number) + 1 + {{ margin_hours }}, timestamp '1970-01-01 00:00:00') as span_to
        from numbered
        group by span_number
    )

    select
        date_format(span_from, '%Y-%m-%d %H:%i:%s') as span_from,
        date_format(span_to, '%Y-%m-%d %H:%i:%s') as span_to,
        date_format({{ local_hour_start('span_from') }}, '%Y-%m-%d %H:%i:%s') as hour_from,
        date_format({{ local_time('span_from') }}, '%Y-%m-%d') as date_from,
        date_format({{ local_time("date_add('second', -1, span_to)") }}, '%Y-%m-%d') as date_to,
        date_format(date_add('hour', -1, span_to), '%Y-%m-%d %H:%i:%s') as last_hour
    from spans
    order by span_from
{% endmacro %}

{# Event hours whose readings changed. #}
{% macro pending_event_spans() %}
    {% set query %}
        select hour_start from {{ source('curated', 'pending_hours') }} where kind = 'event'
    {% endset %}
    {{ return(spans_of_hours(query, var('stuck_margin_hours'))) }}
{% endmacro %}

{# Arrival hours to reconcile: the pending ones with their neighbours (a batch sent on the edge of an hour concerns
   both); on a full build every hour that was ever curated. #}
{% macro pending_arrival_spans() %}
    {% set query %}
        {% if is_incremental() %}
            select hour_start from {{ source('curated', 'pending_hours') }} where kind = 'arrival'
        {% else %}
            select arrival_hour as hour_start from {{ source('curated', 'processed_objects') }}
        {% endif %}
    {% endset %}
    {{ return(spans_of_hours(query, 1)) }}
{% endmacro %}

{# Predicate: `column` lies in one of the spans. `grain` says what the column holds: instant, hour or date. #}
{% macro in_spans(column, spans, grain='instant') -%}
    (
        {%- for span in spans %}
        {% if grain == 'date' -%}
        ({{ column }} >= date '{{ span.date_from }}' and {{ column }} <= date '{{ span.date_to }}')
        {%- else -%}
        {%- set first = span.hour_from if grain == 'hour' else span.from -%}
        ({{ column }} >= timestamp '{{ first }}' and {{ column }} < timestamp '{{ span.to }}')
        {%- endif %}{{ ' or' if not loop.last }}
        {%- else -%}
        false
        {%- endfor %}
    )
{%- endmacro %}

{# Predicate on the partition keys of a landing table (by its alias): the days of the spans, and the hours of a span within a day. #}
{% macro in_landing_spans(table, spans) -%}
    (
        {%- for span in spans %}
        (
            {{ table }}.dt >= '{{ span.from[:10] }}' and {{ table }}.dt <= '{{ span.last_hour[:10] }}'
            {%- if span.from[:10] == span.last_hour[:10] %}
            and {{ table }}.hour between {{ span.from[11:13] | int }} and {{ span.last_hour[11:13] | int }}
            {%- endif %}
            and {{ table }}.arrival_hour >= timestamp '{{ span.from }}'
            and {{ table }}.arrival_hour < timestamp '{{ span.to }}'
        ){{ ' or' if not loop.last }}
        {%- else -%}
        false
        {%- endfor %}
    )
{%- endmacro %}

{# Event hours of the rows that landed in the spans of arrival hours, so that the search for duplicates opens only
   the partitions of curated.readings that can hold one. #}
{% macro landed_event_spans(arrival_spans) %}
    {% set query %}
        select date_trunc('hour', ts) as hour_start from {{ source('curated', 'landed_keys') }}
        where {{ in_spans('arrival_hour', arrival_spans) }}
    {% endset %}
    {{ return(spans_of_hours(query, 0)) }}
{% endmacro %}

{# Where clause of a test: the rows that this run recomputed; all rows where nothing is pending. #}
{% macro where_touched(column, grain) %}
    {% set spans = pending_event_spans() %}
    {% if spans %}
    where {{ in_spans(column, spans, grain) }}
    {% else %}
    where true
    {% endif %}
{% endmacro %}
