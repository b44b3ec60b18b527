{# Sum of doubles that does not depend on the order in which the engine adds them: 15 decimals are exact in the
   accumulator, so a replay gives equal rows to the last bit. NULL when nothing is known, never zero. #}
{% macro exact_sum(expression) -%}
    cast(sum(cast({{ expression }} as decimal(38, 15))) as double)
{%- endmacro %}

{# The value that all rows of a cell share, else 'mixed'. #}
{% macro same_or_mixed(column) -%}
    case when min({{ column }}) = max({{ column }}) then min({{ column }}) when min({{ column }}) is not null then 'mixed' end
{%- endmacro %}
