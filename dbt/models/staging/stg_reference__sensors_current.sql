select *
from {{ ref('stg_reference__sensors') }}
where is_current
