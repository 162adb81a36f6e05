-- A charge is the usage of one UTC day, model, provider, byok, user, API key, assistant and project.
charges AS (
    SELECT day, toString(tokens.model) AS service, toString(tokens.provider) AS host, byok AS own_keys,
        user_id AS person, toString(tokens.api_key_id) AS api_key, toString(tokens.assistant_id) AS assistant,
        toString(tokens.project_id) AS project, any(toString(tokens.department)) AS team,
        sum(prompt_tokens) + sum(completion_tokens) AS quantity, sum(tokens.cost_usd) AS cost,
        {plan_org:String} AS org, 'workspace' AS org_kind,
        if(person = '', api_key, toString(person)) AS resource, if(person = '', 'api_key', 'user') AS resource_kind
    FROM tokens
    GROUP BY day, service, host, own_keys, person, api_key, assistant, project
),
usage AS (
    SELECT charges.*, {{.Person "toString(person)"}} AS shown_person,
        resource_name.name AS called, org_name.name AS org_called,
        if(host = '', 'unknown', host) AS known_host,
        CAST(arrayFilter(tag -> tag.2 != '', [
            ('rollcall/api_key', api_key), ('rollcall/assistant', assistant), ('rollcall/department', team),
            ('rollcall/project', project), ('rollcall/user', shown_person)
        ]), 'Map(String, String)') AS Tags
    FROM charges
    ASOF LEFT JOIN named AS resource_name ON resource_name.named_kind = charges.resource_kind
        AND resource_name.entity_id = charges.resource AND charges.day >= resource_name.since
    ASOF LEFT JOIN named AS org_name ON org_name.named_kind = charges.org_kind
        AND org_name.entity_id = charges.org AND charges.day >= org_name.since
)
SELECT usage.*,
    cost AS BilledCost, cost AS ContractedCost, cost AS EffectiveCost, cost AS ListCost,
    org AS BillingAccountId, nullIf(org_called, '') AS BillingAccountName, 'USD' AS BillingCurrency,
    toStartOfMonth(day) AS BillingPeriodStart, addMonths(BillingPeriodStart, 1) AS BillingPeriodEnd,
    day AS ChargePeriodStart, addDays(day, 1) AS ChargePeriodEnd,
    'Usage' AS ChargeCategory, CAST(NULL, 'Nullable(String)') AS ChargeClass, 'Usage-Based' AS ChargeFrequency,
    concat('Prompt and completion tokens of ', service) AS ChargeDescription,
    quantity AS ConsumedQuantity, 'Tokens' AS ConsumedUnit, quantity AS PricingQuantity, 'Tokens' AS PricingUnit,
    CAST(NULL, 'Nullable(String)') AS InvoiceId,
    known_host AS InvoiceIssuerName, known_host AS ProviderName, known_host AS PublisherName,
    if(person = '', api_key, shown_person) AS ResourceId, nullIf(called, '') AS ResourceName,
    if(person = '', 'API Key', 'User') AS ResourceType,
    'AI and Machine Learning' AS ServiceCategory, service AS ServiceName, 'Generative AI' AS ServiceSubcategory,
    org AS SubAccountId, if(org_called = '', org, org_called) AS SubAccountName,
    own_keys AS x_BringYourKeys{{.Maps}}
FROM usage
