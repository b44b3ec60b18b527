{# Sum of doubles that does not depend on the order in which the engine adds them: 20 decimals are added
   exactly, so a replay gives equal rows to the last bit. NULL when nothing is known, never zero. #}
{% macro exact_sum(expression) -%}
    cast(sum(cast({{ expression }} as decimal(38, 20))) as double)
{%- endmacro %}

{# Space-mean speed Σ volume ÷ Σ (volume ÷ speed) of a group; the harmonic mean where no row with a speed has a volume.
   Equal speeds are taken as they are, because their quotient may differ in the last bit. #}
{% macro space_mean_speed(volume, speed) -%}
        case
            when min({{ speed }}) = max({{ speed }}) then min({{ speed }})
            else coalesce(
                {{ exact_sum('case when ' ~ speed ~ ' is not null then ' ~ volume ~ ' end') }}
                / nullif({{ exact_sum(volume ~ ' / ' ~ speed) }}, 0),
                count({{ speed }}) / {{ exact_sum('1 / ' ~ speed) }}
            )
        end
{%- endmacro %}

{# The value that all rows of a cell share, else 'mixed'. #}
{% macro same_or_mixed(column) -%}
    case when min({{ column }}) = max({{ column }}) then min({{ column }}) when min({{ column }}) is not null then 'mixed' end
{%- endmacro %}
