package clickhouse

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall/schema"
)

// The workspaces of records: one that shows everything, and one that replaces its users by
// pseudonyms.
const (
	full   = "full"
	masked = "masked"
)

// records has some events of every kind on a few days of two months, with copies, conflicts and one
// record that is rejected.
func records(now time.Time) (all []*kgo.Record) {
	today := schema.DayOf(now.UTC())
	month := schema.DayOf(time.Date(now.UTC().Year(), now.UTC().Month()-1, 1, 0, 0, 0, 0, time.UTC))
	n := 0
	send := func(org, kind string, at string, data string) {
		n++
		value := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/profile","type":"usage.%s.v1","time":"%s","data":{"org_id":%q,%s}}`, n, kind, at, org, data)
		all = append(all, &kgo.Record{Topic: topic, Partition: int32(n % 4), Value: []byte(value)})
		if n%7 == 0 {
			all = append(all, all[len(all)-1])
		}
	}
	for _, org := range []string{full, masked} {
		send(org, "entity", (month-40).String()+"T00:00:00Z",
			fmt.Sprintf(`"kind":"workspace","id":%q,"name":"The \"%s\"","settings":{"user_level_data":true,"byok":true,"workflows":true,"pseudonymize":%t}`, org, org, org == masked))
		for u := range 4 {
			send(org, "entity", (month-40).String()+"T00:00:01Z",
				fmt.Sprintf(`"kind":"user","id":"u%d","name":"User, %d","email":"u%d@example.com","role":"member","joined_at":"2026-01-0%d"`, u, u, u, u+1))
		}
		send(org, "entity", (month-40).String()+"T00:00:02Z",
			`"kind":"assistant","id":"a0","name":"=Help\u2028er/","owner_id":"u1"`)
		for d, day := range []schema.Day{month, month + 1, today - 1, today} {
			at := func(minute int) string { return fmt.Sprintf("%sT00:%02d:00.%03dZ", day, minute, 7*minute) }
			for i := range 6 {
				user := fmt.Sprintf(`"user_id":"u%d",`, (i*i+d)%3)
				send(org, "message", at(i), user+
					fmt.Sprintf(`"channel":"assistant","assistant_id":"a%d","conversation_id":"c%d","model":"m%d"`, i%2, i%3, i%2))
				send(org, "message", at(i), user+
					fmt.Sprintf(`"channel":"project","project_id":"p/%d","conversation_id":"d%d","model":"m%d"`, i%2, i%3, i%3))
				send(org, "token", at(i), user+
					fmt.Sprintf(`"model":"m%d","provider":"p","byok":%t,"api_key_id":"k%d","prompt_tokens":%d,"completion_tokens":%d,"cost_usd":"0.%09d"`, i%3, i%2 == 0, i%2, 100*i, 17*i, 1000003*i+1))
				send(org, "action", at(i), user+`"action":"web_search","model":"m0"`)
				send(org, "workflow_run", at(i),
					user+fmt.Sprintf(`"workflow_id":"w%d","run_id":"r%d-%d","status":%q,"duration_ms":%d,"trigger":"schedule"`, i%2, d,
						i, []string{"succeeded", "failed"}[i%2], 1001*i))
			}
		}
	}
	send(full, "message", "yesterday", `"user_id":"u1","channel":"chat"`)
	return all
}
