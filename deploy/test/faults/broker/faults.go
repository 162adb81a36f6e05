package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type faults struct {
	cluster     *kfake.Cluster
	network     *network
	redelivered redelivered
	out         *lines
}

func (f *faults) do(c command) error {
	switch c.Do {
	case "move leaders":
		f.cluster.ShufflePartitionLeaders()
	case "move coordinators":
		f.cluster.RehashCoordinators()
	case "fail":
		return f.fail(c)
	case "hold commit":
		f.holdCommit(c.Applied)
	case "drop connections":
		f.network.drop()
	case "hang":
		f.network.hang(time.Duration(c.Millis) * time.Millisecond)
	case "slow":
		f.network.slow.Store(int64(c.Millis))
	case "corrupt":
		f.network.corrupt.Store(int64(c.Count))
	case "corrupted": // how many answers were corrupted
		f.out.say(fmt.Sprint(f.network.corrupted.Load()))
	case "redelivered": // how many offsets were redelivered
		f.out.say(fmt.Sprint(f.redelivered.offsets.Load()))
	default:
		return fmt.Errorf("there is no fault %q", c.Do)
	}
	return nil
}

// fail answers the next requests of a kind with an error. For REQUEST_TIMED_OUT the broker carries
// the request out, so that only its acknowledgement is lost.
func (f *faults) fail(c command) error {
	var e *kerr.Error
	if !errors.As(kerr.ErrorForCode(c.Error), &e) {
		return fmt.Errorf("there is no error %d", c.Error)
	}
	f.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Key(c.Key)}, Err: e, Count: c.Count})
	return nil
}

// holdTime is how long a commit is held: long enough for a SIGKILL to arrive.
const holdTime = 300 * time.Millisecond

// holdCommit reports when the next commit arrives and holds it for a moment. Then the broker takes
// the commit, or refuses it by closing its connection.
func (f *faults) holdCommit(applied bool) {
	f.cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.cluster.DropControl()
		f.out.say("commit")
		time.Sleep(holdTime) // the fault itself
		if applied {
			return nil, nil, false
		}
		return nil, errors.New("the connection ends instead"), true
	})
}
