{# Everything of this project lives in the profile's schema; no suffixes are made of custom names. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema }}
{%- endmacro %}
