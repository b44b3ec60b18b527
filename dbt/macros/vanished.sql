{# Last select of an incremental model: the rows of `cte`, and for every row of the target within `scope` that `cte`
   no longer gives, its keys with all else empty; the model's delete_condition removes those in the same MERGE. #}
{% macro with_vanished(cte, keys, columns, scope) %}
{% if is_incremental() %}
select
    {%- for key in keys %}
    coalesce(computed.{{ key }}, held.{{ key }}) as {{ key }},
    {%- endfor %}
    {%- for column in columns %}
    computed.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ cte }} as computed
full outer join (
    select {{ keys | join(', ') }} from {{ this }}
    where {{ scope }}
) as held
    on
        {%- for key in keys %}
        computed.{{ key }} = held.{{ key }}{{ ' and' if not loop.last }}
        {%- endfor %}
{% else %}
select
    {{ (keys + columns) | join(',\n    ') }}
from {{ cte }}
{% endif %}
{% endmacro %}
