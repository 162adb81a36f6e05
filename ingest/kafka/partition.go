package kafka

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/ingest/backoff"
	"rollcall/schema/outage"
)

// A Partition is a partition that this member was assigned, for one generation.
type Partition struct {
	TopicPartition
	Decoded Position // all records below are in a batch; only the decoder uses it

	// Assignment.mu guards the fields below.
	next        int64     // what to fetch next
	jumps       int       // how often next moved to an offset that did not follow the last one
	end         int64     // the highest end of the log that was seen
	lastEpoch   int32     // the leader epoch of the last record below next; −1: not known
	leader      int32     // −1: none
	leaderEpoch int32     // the epoch of that leader; −1: not known
	checked     bool      // this leader has confirmed next
	pause       time.Time // the partition must not be fetched before this time
	failures    int       // in a row
	lost        bool      // its topic is gone, so its position is no longer committed

	unread, corrupt *outage.Outage // set by the Assignment
}

// NewPartition makes a Partition that is read from an offset on. epoch is the leader epoch of the
// last record before the offset (−1: not known).
func NewPartition(s TopicPartition, offset int64, epoch int32) *Partition {
	return &Partition{
		TopicPartition: s, Decoded: Position{Offset: offset, Epoch: epoch},
		next: offset, lastEpoch: epoch, leader: -1, leaderEpoch: -1,
	}
}

// A Position is an offset, and the number of jumps before it. The number is needed because an
// offset from before a jump means nothing afterwards, for example if the topic was made anew. Epoch
// is the leader epoch of the last record below the offset (−1: not known).
type Position struct {
	Offset int64
	Jumps  int
	Epoch  int32
}

// Is says whether the position is this offset, after this many jumps.
func (p Position) Is(offset int64, jumps int) bool { return p.Offset == offset && p.Jumps == jumps }

// An Assignment has the partitions of one generation, and where to go on in each.
type Assignment struct {
	known    *Layout                    // the layout when the group was joined
	passOver map[TopicPartition][]int64 // one offset of each record batch that operators named
	report   Report

	mu         sync.Mutex
	partitions []*Partition // sorted by topic and number
	turn       int          // how many requests were made; each starts with another partition
}

// NewAssignment makes an Assignment of partitions. known is the layout with which the group was
// joined, and passOver are the record batches that operators named.
func NewAssignment(
	partitions []*Partition, known *Layout, passOver map[TopicPartition][]int64, report Report,
) *Assignment {
	slices.SortFunc(partitions, func(a, b *Partition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, p := range partitions {
		p.unread = report.unread()
		p.corrupt = report.corrupt()
	}
	return &Assignment{partitions: partitions, known: known, passOver: passOver, report: report}
}

// Lead stores who leads each partition, and lists the leaders.
func (a *Assignment) Lead(l *Layout) (brokers []int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.partitions {
		leader, known := l.Leaders[p.TopicPartition]
		if !known {
			leader = -1
		}
		if under := l.Epochs[p.TopicPartition]; leader != p.leader || under != p.leaderEpoch {
			p.leader = leader
			p.leaderEpoch = under
			p.checked = false
		}
		if leader >= 0 && !slices.Contains(brokers, leader) {
			brokers = append(brokers, leader)
		}
	}
	return brokers
}

// wants lists what to ask a broker for now. leads is false if the broker leads none of the
// partitions.
func (a *Assignment) wants(broker int32, to []want) (wants []want, leads bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
	for i := range a.partitions {
		p := a.partitions[(i+a.turn)%len(a.partitions)]
		if p.leader != broker {
			continue
		}
		leads = true
		if p.checked && !p.lost && !p.waits() {
			to = append(to, want{p, p.next, p.leaderEpoch})
		}
	}
	return bySameTopic(to), leads
}

// bySameTopic puts the partitions of a topic next to each other. The topics are in the order in
// which they first appear.
func bySameTopic(wants []want) []want {
	for i := 1; i < len(wants); i++ {
		for j := i; j < len(wants); j++ {
			if wants[j].Topic == wants[i-1].Topic {
				wants[i], wants[j] = wants[j], wants[i]
				break
			}
		}
	}
	return wants
}

// advance moves a partition past what was fetched of it. It returns false if the partition has
// moved since the request: the records are useless then.
func (a *Assignment) advance(fetched *Fetched) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := fetched.Partition
	if of.next != fetched.Set.From {
		return false
	}
	of.next = fetched.Set.Next
	if fetched.Set.Epoch >= 0 {
		of.lastEpoch = fetched.Set.Epoch
	}
	fetched.Jumps = of.jumps
	of.end = max(of.end, fetched.HighWatermark)
	return true
}

// Rewind has a partition fetched again from a position, unless the partition has jumped since.
func (a *Assignment) Rewind(p *Partition, to Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.jumps == to.Jumps {
		p.next = to.Offset
		p.lastEpoch = to.Epoch
	}
}

// gap continues behind records that will never be read, and reports them.
func (a *Assignment) gap(p *Partition, g Gap) {
	if a.jump(p, g.From, g.To) {
		a.isPast(p)
		a.report.Gap(p.TopicPartition, g)
	}
}

// jump continues at an offset that does not follow the last one. It does nothing if the partition
// has moved meanwhile.
func (a *Assignment) jump(p *Partition, from, to int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.next != from {
		return false
	}
	p.next = to
	p.end = 0
	p.lastEpoch = -1
	p.jumps++
	return true
}

// hold makes a partition wait after a failure, longer after each further failure in a row.
func (a *Assignment) hold(p *Partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p.failures++
	p.pause = time.Now().Add(backoff.Delay(p.failures, 50*time.Millisecond, 2*time.Second))
}

// waits says whether a partition must not be fetched yet. The caller holds Assignment.mu.
func (p *Partition) waits() bool { return p.pause.After(time.Now()) }

// fine ends a row of failures.
func (a *Assignment) fine(p *Partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p.failures = 0
}

// lose notes that a partition's topic is gone.
func (a *Assignment) lose(p *Partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p.lost = true
}

// Stands says whether a position may be committed: its topic exists, and is the one from which the
// position was read.
func (a *Assignment) Stands(p *Partition, at Position) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !p.lost && p.jumps == at.Jumps
}

// Partitions lists the partitions.
func (a *Assignment) Partitions() []*Partition { return a.partitions }

// seenEnd is the highest end of a partition's log that was seen.
func (a *Assignment) seenEnd(p *Partition) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.end
}
