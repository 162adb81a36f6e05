package oracle

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// A charge is what makes a row of focus, besides the UTC day: token events that agree in all of it.
type charge struct {
	day, model, provider string
	byok                 bool
	user, key            string
	assistant, project   string
}

// focus has a row for each charge, in the columns of another specification: it names the columns,
// what is in them, and that a missing value is null.
func (x *export) focus() Table {
	if !x.settings.BYOK {
		return Table{} // there is no such export
	}
	charges := map[charge][]Event{}
	for _, e := range ofType(x.usage, tokenType) {
		c := charge{
			day(e.Time).Format(time.DateOnly), e.Model, e.Provider, e.BYOK, e.User, e.APIKey, e.Assistant, e.Project,
		}
		charges[c] = append(charges[c], e)
	}
	t := Table{Columns: strings.Fields(`BilledCost BillingAccountId BillingAccountName BillingCurrency
		BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargeFrequency
		ChargePeriodEnd ChargePeriodStart ConsumedQuantity ConsumedUnit ContractedCost EffectiveCost InvoiceId
		InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName ResourceId
		ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SubAccountId SubAccountName Tags
		x_BringYourKeys`)}
	names := map[string]map[string]history{}
	for _, kind := range []string{"workspace", "user", "api_key"} {
		names[kind] = histories(x.events, kind)
	}
	for _, c := range slices.SortedFunc(maps.Keys(charges), x.inOrderOfCharges) {
		cells := x.chargeCells(c, charges[c], func(kind, id string) string {
			next, err := time.Parse(time.DateOnly, c.day)
			if err != nil {
				panic(err) // day made it
			}
			return names[kind][id].at(next.AddDate(0, 0, 1).UnixMilli() - 1).Name
		})
		var row []Cell
		for _, name := range t.Columns {
			row = append(row, cells[name])
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (x *export) inOrderOfCharges(a, b charge) int {
	return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.model, b.model), cmp.Compare(a.provider, b.provider),
		compareBools(a.byok, b.byok), cmp.Compare(x.shown(a.user), x.shown(b.user)), cmp.Compare(a.key, b.key),
		cmp.Compare(a.assistant, b.assistant), cmp.Compare(a.project, b.project))
}

// chargeCells are a charge's cells by column. nameOf is what an entity was called on its day.
func (x *export) chargeCells(c charge, events []Event, nameOf func(kind, id string) string) map[string]Cell {
	date, err := time.Parse(time.DateOnly, c.day)
	if err != nil {
		panic(err) // focus made it
	}
	month := time.Date(date.Year(), date.Month(), 1, 0, 0, 0, 0, time.UTC)
	moment := func(t time.Time) Cell { return Cell{Kind: Time, Text: t.Format("2006-01-02T15:04:05Z")} }
	spent := pointed(cost(sum(events, costOf)))
	tokens := pointed(number(new(big.Int).Add(sum(events, promptOf), sum(events, completionOf))))
	host := text(cmp.Or(c.provider, "unknown"))
	org := nameOf("workspace", x.Org)
	resource, name, kind := x.shown(c.user), "", "User"
	switch {
	case c.user == "":
		resource, name, kind = c.key, nameOf("api_key", c.key), "API Key"
	case !x.private:
		name = nameOf("user", c.user)
	}
	tags := map[string]string{}
	for tag, value := range map[string]string{
		"user": x.shown(c.user), "api_key": c.key, "assistant": c.assistant, "project": c.project,
		"department": x.people[c.user].belongs(events[0].Time).Department,
	} {
		if value != "" {
			tags["rollcall/"+tag] = quote(value)
		}
	}
	return map[string]Cell{
		"BilledCost": spent, "ContractedCost": spent, "EffectiveCost": spent, "ListCost": spent,
		"BillingAccountId": text(x.Org), "BillingAccountName": optional(org), "BillingCurrency": text("USD"),
		"BillingPeriodStart": moment(month), "BillingPeriodEnd": moment(month.AddDate(0, 1, 0)),
		"ChargePeriodStart": moment(date), "ChargePeriodEnd": moment(date.AddDate(0, 0, 1)),
		"ChargeCategory": text("Usage"), "ChargeClass": optional(""), "ChargeFrequency": text("Usage-Based"),
		"ChargeDescription": text("Prompt and completion tokens of " + c.model),
		"ConsumedQuantity":  tokens, "PricingQuantity": tokens, "ConsumedUnit": text("Tokens"), "PricingUnit": text("Tokens"),
		"InvoiceId": optional(""), "InvoiceIssuerName": host, "ProviderName": host, "PublisherName": host,
		"ResourceId": text(resource), "ResourceName": optional(name), "ResourceType": text(kind),
		"ServiceCategory": text("AI and Machine Learning"), "ServiceName": text(c.model),
		"ServiceSubcategory": text("Generative AI"),
		"SubAccountId":       text(x.Org), "SubAccountName": text(cmp.Or(org, x.Org)),
		"Tags": {Kind: Map, Map: tags}, "x_BringYourKeys": truth(c.byok),
	}
}

// optional is a text that is null if it is missing.
func optional(s string) Cell { return Cell{Kind: Text, Text: s, Null: s == ""} }

// pointed is a number with a decimal point, even if it is whole.
func pointed(c Cell) Cell {
	if !strings.Contains(c.Text, ".") {
		c.Text += ".0"
	}
	return c
}
