{# IANA zone of the city: hours and days that a planner reads are local. #}
{% macro city_time_zone() -%}
    {{ var('city_time_zone') or env_var('TRAFFICLAKE_CITY_TIME_ZONE', 'America/Los_Angeles') }}
{%- endmacro %}

{# A UTC timestamp as the city's local time (timestamp with time zone). #}
{% macro local_time(instant) -%}
    at_timezone(with_timezone({{ instant }}, 'UTC'), '{{ city_time_zone() }}')
{%- endmacro %}

{# UTC instant at which the local hour of a UTC timestamp starts; right for half-hour zones and on clock changes,
   because it goes back by the local minute and never through a local time that exists twice. Needs whole minutes. #}
{% macro local_hour_start(instant) -%}
    date_add('minute', -minute({{ local_time(instant) }}), {{ instant }})
{%- endmacro %}

{# UTC instant of local midnight. #}
{% macro day_start(local_date) -%}
    cast(at_timezone(with_timezone(cast({{ local_date }} as timestamp), '{{ city_time_zone() }}'), 'UTC') as timestamp(6))
{%- endmacro %}

{# 5-minute intervals of a local day: 276, 288 or 300. #}
{% macro intervals_of_day(local_date) -%}
    (date_diff(
        'minute', {{ day_start(local_date) }}, {{ day_start("date_add('day', 1, " ~ local_date ~ ")") }}
    ) / 5)
{%- endmacro %}
