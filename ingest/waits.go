package ingest

import (
	"log/slog"

	"rollcall/schema/outage"
)

// waits are what ingest waits for, for as long as it takes. Each is told when it begins and when it
// has ended, not at each attempt.
type waits struct {
	engine, watermark, erasures             outage.Outage
	topics, missing, group, layout, offsets outage.Outage
	commits, hold                           outage.Outage
}

func newWaits(log *slog.Logger) *waits {
	w := &waits{
		engine: outage.Outage{
			What: "ClickHouse failed; trying again", Over: "ClickHouse takes the statements of ingest again",
		},
		watermark: outage.Outage{
			What: "the watermark was not stored", Over: "the watermark is stored again",
			Do: "exports stay exact, and say an earlier time in Rollcall-Complete-Through, until ClickHouse takes it",
		},
		erasures: outage.Outage{
			What: "the erasure list was not read", Over: "the erasure list is read again",
			Do: "nothing: it is read again before each batch is committed",
		},
		topics: outage.Outage{
			What: "waiting for Kafka", Over: "Kafka and at least one of the topics are there",
			Do: "look at the brokers, and hold --kafka-brokers, --kafka-topics and the sign-in against them",
		},
		missing: outage.Outage{
			What: "a topic does not exist yet; the others are read meanwhile", Over: "all topics exist",
			Do: "make the topic, or correct its name in --kafka-topics",
		},
		group: outage.Outage{
			What: "not in the group; joining again", Over: "in the group again",
			Do: "look at the broker that coordinates the group, and at this user's right to read the group",
		},
		layout: outage.Outage{
			What: "the brokers do not say who leads what; asking again", Over: "the brokers say who leads what again",
			Do: "look at the brokers; reading goes on with the last leaders that were known",
		},
		offsets: outage.Outage{
			What: "where to go on is not known; asking again", Over: "where to go on is known",
			Do: "look at the brokers, and at this user's right to read the topics and the group",
		},
		commits: outage.Outage{
			What: "commit failed; trying again", Over: "offsets are committed again",
			Do: "look at the broker that coordinates the group; what is not committed is stored again and counts once",
		},
		hold: outage.Outage{What: "the watermark waits for a partition", Over: "the watermark is less than a minute behind"},
	}
	for _, o := range []*outage.Outage{
		&w.engine, &w.watermark, &w.erasures, &w.topics, &w.missing, &w.group, &w.layout, &w.offsets, &w.commits, &w.hold,
	} {
		o.Log = log
	}
	return w
}
