package sample

import (
	"fmt"
	"time"
)

// Settings are those of the workspace, as in its entity event.
type Settings struct {
	UserLevelData bool `json:"user_level_data"`
	BYOK          bool `json:"byok"`
	Workflows     bool `json:"workflows"`
	Pseudonymize  bool `json:"pseudonymize"`
}

// A Config is one imaginary workspace.
type Config struct {
	Org  string // org_id; required
	Name string // what the workspace is called; default: the Org
	// Users is the number of people; default 50. Each sends about 4 messages on a working day,
	// which makes about 9 events together with their model requests and actions.
	Users int
	Days  int    // UTC days of history, the day of Now included; 0: no history
	Seed  uint64 // another seed gives other people and other usage

	Rate float64   // events per second that Live makes; 0: none
	Now  time.Time // the history ends here; default: the time of the call

	Settings *Settings // nil: user-level data, BYOK and workflows on, pseudonyms off
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = c.Org
	}
	if c.Users == 0 {
		c.Users = 50
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	if c.Settings == nil {
		c.Settings = &Settings{UserLevelData: true, BYOK: true, Workflows: true}
	}
	c.Now = c.Now.UTC().Truncate(time.Millisecond)
	return c
}

// Check returns what is wrong with the settings, or nil.
func (c Config) Check() error {
	switch {
	case c.Org == "" || len(c.Org) > 256:
		return fmt.Errorf("the workspace id is %d bytes long: give one of 1 to 256 bytes", len(c.Org))
	case c.Users < 0 || c.Users > 1_000_000:
		return fmt.Errorf("%d users: give 1 to 1000000", c.Users)
	case c.Days < 0 || c.Days > 366:
		return fmt.Errorf("%d days of history: give 0 to 366, older events are rejected as too_old", c.Days)
	case c.Rate < 0 || c.Rate > 100_000:
		return fmt.Errorf("a rate of %g events per second: give 0 to 100000", c.Rate)
	}
	return nil
}

// A Profile is a set of workspaces for a demonstration.
type Profile string

const (
	None  Profile = "none"
	Small Profile = "small" // 3 workspaces, about 20,000 events over 60 days
	Year  Profile = "year"  // the same 3 workspaces, larger: about 1.5 million events over a year
)

// Workspaces returns the workspaces of the profile: one with every setting on but pseudonyms, one
// with every setting off, and one with user-level data only. Together they make about 4 live events
// per second.
func (p Profile) Workspaces(now time.Time) ([]Config, error) {
	days := 60
	factor := 1
	switch p {
	case None:
		return nil, nil
	case Small:
	case Year:
		days = 365
		factor = 13
	default:
		return nil, fmt.Errorf("there is no sample %q: give none, small or year", string(p))
	}
	return []Config{
		{Org: "acme", Name: "Acme GmbH", Users: 24 * factor, Days: days, Seed: 1, Rate: 2, Now: now,
			Settings: &Settings{UserLevelData: true, BYOK: true, Workflows: true}},
		{Org: "globex", Name: "Globex Corporation", Users: 18 * factor, Days: days, Seed: 2, Rate: 1, Now: now,
			Settings: &Settings{UserLevelData: false}},
		{Org: "initech", Name: "Initech & Söhne", Users: 12 * factor, Days: days, Seed: 3, Rate: 1, Now: now,
			Settings: &Settings{UserLevelData: true}},
	}, nil
}
