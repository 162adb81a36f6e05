package query

import (
	"fmt"

	"rollcall/schema"
)

// focusColumns: SPEC.md §2.2, focus. Their names and values are those of the FinOps Open Cost and
// Usage Specification 1.2, in the order of the alphabet as that specification lists them. Columns
// that it does not have begin with x_ and come last.
var focusColumns = []Column{
	{"BilledCost", Cost, "Cost of the requests in USD, as their events say.", always},
	{"BillingAccountId", Text, "The workspace.", always},
	{"BillingAccountName", Text.OrNull(), "The workspace's name at the end of the day; null if it has none.", always},
	{"BillingCurrency", Text, "USD.", always},
	{"BillingPeriodEnd", Time, "The first moment after the calendar month of the day.", always},
	{"BillingPeriodStart", Time, "The first moment of the calendar month of the day.", always},
	{"ChargeCategory", Text, "Usage.", always},
	{"ChargeClass", Text.OrNull(), "Null: no row is a correction of another one.", always},
	{"ChargeDescription", Text, "What was used: prompt and completion tokens of a model.", always},
	{"ChargeFrequency", Text, "Usage-Based.", always},
	{"ChargePeriodEnd", Time, "The first moment after the UTC day.", always},
	{"ChargePeriodStart", Time, "The first moment of the UTC day.", always},
	{"ConsumedQuantity", Quantity, "Prompt and completion tokens of the requests.", always},
	{"ConsumedUnit", Text, "Tokens.", always},
	{"ContractedCost", Cost, "The same as BilledCost: events know one cost.", always},
	{"EffectiveCost", Cost, "The same as BilledCost: events know one cost.", always},
	{"InvoiceId", Text.OrNull(), "Null: events do not say on which invoice the provider puts them.", always},
	{"InvoiceIssuerName", Text, "Who runs the model; unknown if events do not say.", always},
	{"ListCost", Cost, "The same as BilledCost: events know one cost.", always},
	{"PricingQuantity", Quantity, "The same as ConsumedQuantity.", always},
	{"PricingUnit", Text, "Tokens.", always},
	{"ProviderName", Text, "Who runs the model; unknown if events do not say.", always},
	{"PublisherName", Text, "Who runs the model; unknown if events do not say.", always},
	{"ResourceId", Text, "The user, or the API key of requests without a user.", always},
	{"ResourceName", Text.OrNull(),
		"The resource's name at the end of the day; null if it has none, and for users whom the workspace does not name.", always},
	{"ResourceType", Text, "User or API Key.", always},
	{"ServiceCategory", Text, "AI and Machine Learning.", always},
	{"ServiceName", Text, "The model.", always},
	{"ServiceSubcategory", Text, "Generative AI.", always},
	{"SubAccountId", Text, "The workspace.", always},
	{"SubAccountName", Text, "The workspace's name at the end of the day, or its id if it has none.", always},
	{"Tags", TextMap, "User, API key, assistant, project and the user's department, as far as there are any: " +
		"rollcall/user, rollcall/api_key, rollcall/assistant, rollcall/project, rollcall/department.", always},
	{"x_BringYourKeys", Bool, "Whether the requests were made with the workspace's own keys.", always},
}

// checkFocus refuses what a file of one row per UTC day cannot be.
func (r Request) checkFocus() error {
	if r.Type != Focus {
		return nil
	}
	if !r.Settings.BYOK {
		return ErrBYOKOff
	}
	if r.Period.Buckets != nil {
		return bad("granularity", "The export focus has a row for each UTC day as it is; leave granularity out.")
	}
	for _, end := range []schema.Millis{r.Period.From, r.Period.To} {
		if end != schema.Millis(end.Day())*dayMillis {
			return bad("timezone", "The export focus is of whole UTC days; leave timezone out.")
		}
	}
	if r.AttributesNow {
		return bad("attributes", "The export focus has names as they were at the end of each UTC day; leave attributes out.")
	}
	return nil
}

// NamedKinds lists the kinds of entities whose names at the end of a UTC day the type's SQL reads,
// as texts of SQL.
func (c choices) NamedKinds() string {
	const kinds = "'workspace', 'api_key'"
	if !c.named() {
		return kinds
	}
	return kinds + ", 'user'"
}

// decimalPoint is a number with a decimal point, even if it is whole. Readers of FOCUS tell by it
// that a column is one of decimals.
func decimalPoint(v string) string {
	return fmt.Sprintf("if(position(toString(%[1]s), '.') = 0, concat(toString(%[1]s), '.0'), toString(%[1]s))", v)
}
