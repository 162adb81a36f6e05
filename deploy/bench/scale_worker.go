package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"rollcall/deploy/test/ports"
	"rollcall/rollup"
	"rollcall/schema/tables"
)

// A worker is `rollcall rollup` in a process of its own, with its default settings.
type worker struct {
	*process
	admin string // its admin address
	ended chan error
}

func (r *scaleRun) startWorker() (*worker, error) {
	port, release, err := ports.Claim()
	if err != nil {
		return nil, err
	}
	admin := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := command("rollup", "--clickhouse-url", r.options.URL, "--admin-addr", admin, "--log-level", "warn",
		"--settle-time", rollup.DefaultSettleTime.String(), "--verify-every", rollup.DefaultVerifyEvery.String())
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		release()
		return nil, err
	}
	w := &worker{p, admin, make(chan error, 1)}
	go func() {
		w.ended <- p.cmd.Wait()
		release()
	}()
	return w, nil
}

func (w *worker) stop() {
	w.cmd.Process.Kill()
	<-w.ended
}

// measureWorker measures the engine alone, then the engine and an idle worker, then the time from a
// mark to its manifest.
func (r *scaleRun) measureWorker(ctx context.Context) (err error) {
	if err := merged(ctx, r.conn); err != nil {
		return err
	}
	if r.result.EngineAlone, _, err = r.watch(ctx, min(r.Idle, time.Minute), nil); err != nil {
		return err
	}
	w, err := r.startWorker()
	if err != nil {
		return err
	}
	defer w.stop()
	started := time.Now()
	if err := w.firstRound(ctx); err != nil {
		return err
	}
	r.result.FirstRound = time.Since(started).Seconds()
	fmt.Fprintf(r.Progress, "the worker is idle after %.0f s; now it is watched for %s\n", r.result.FirstRound, r.Idle)
	if r.result.EngineIdle, r.result.WorkerIdle, err = r.watch(ctx, r.Idle, w); err != nil {
		return err
	}
	r.result.IdleSeconds = r.Idle.Seconds()
	r.result.WorkerResident = w.resident()
	r.result.WorkerPeak = w.peak()
	r.result.EngineResident = r.engine.resident()
	fmt.Fprintf(r.Progress, "idle: %.3f CPU s per s in the worker, %.3f in the engine\n",
		r.result.WorkerIdle, r.result.EngineIdle)
	return r.measureMarks(ctx, w)
}

// watch returns the CPU seconds per second of the engine and, if it is given, of the worker.
func (r *scaleRun) watch(ctx context.Context, long time.Duration, w *worker) (engine, own float64, err error) {
	cpu := func() (engine, own time.Duration) {
		if w != nil {
			own = w.cpu()
		}
		return r.engine.cpu(), own
	}
	engineBefore, ownBefore := cpu()
	started := time.Now()
	select {
	case <-time.After(long):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	took := time.Since(started).Seconds()
	engineAfter, ownAfter := cpu()
	return (engineAfter - engineBefore).Seconds() / took, (ownAfter - ownBefore).Seconds() / took, nil
}

// firstRound returns when the worker has looked at all slices once. Only its first round runs
// through without rests.
func (w *worker) firstRound(ctx context.Context) error {
	return w.until(ctx, time.Second, func() (bool, error) {
		took, err := w.metric("rollcall_rollup_round_seconds")
		return took >= 0, err // NaN before the end of the first round
	})
}

// metric reads a metric without labels. While the worker does not answer yet, it is NaN.
func (w *worker) metric(name string) (float64, error) {
	res, err := http.Get("http://" + w.admin + "/metrics")
	if err != nil {
		return math.NaN(), nil
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	line := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(page)
	if line == nil {
		return 0, fmt.Errorf("the worker has no metric %s", name)
	}
	return strconv.ParseFloat(string(line[1]), 64)
}

// until looks every so often, and returns when it is so, or with an error when the worker ended.
func (w *worker) until(ctx context.Context, every time.Duration, is func() (bool, error)) error {
	for {
		if so, err := is(); so || err != nil {
			return err
		}
		select {
		case err := <-w.ended:
			w.ended <- err // for stop
			return errors.Join(errors.New("the worker ended early"), err)
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// measureMarks adds usage to yesterday's slice of several workspaces, one after the other.
func (r *scaleRun) measureMarks(ctx context.Context, w *worker) error {
	var times []time.Duration
	for i := range markRuns {
		org := r.sampled(i, markRuns)
		if err := r.newUsage(ctx, org); err != nil {
			return err
		}
		err := w.until(ctx, 500*time.Millisecond, func() (bool, error) {
			s, err := r.yesterday(ctx, org)
			if s.Clean && err == nil {
				times = append(times, s.Settled-s.Recomputed)
			}
			return s.Clean, err
		})
		if err != nil {
			return fmt.Errorf("wait until a mark is covered: %w", err)
		}
		fmt.Fprintf(r.Progress, "a mark was covered after %s\n", times[i])
	}
	r.result.Recomputed = median(times).Seconds() // which sorts them
	r.result.RecomputedLongest = times[len(times)-1].Seconds()
	return nil
}

// newUsage adds three messages to yesterday's slice of a workspace, as a process of ingest does
// that has just been started: first the events, then the mark.
func (r *scaleRun) newUsage(ctx context.Context, org string) error {
	args := []any{
		clickhouse.Named("org", org), clickhouse.Named("day", (r.last() - 1).String()),
		clickhouse.Named("writer", uuid.NewString()),
	}
	for _, statement := range []string{
		`INSERT INTO events (org_id, day, type, event_id, version, time, source, id, user_id, channel, conversation_id, model, client)
SELECT {org:String}, {day:Date}, 'message', reinterpretAsFixedString(sipHash128({writer:String}, number)), bitAnd(sipHash64({writer:String}, number), 18446744073709551614),
	toDateTime64({day:Date}, 3, 'UTC'), '/bench', concat({writer:String}, toString(number)), 'user-0', 'chat', {writer:String}, 'model-0', 'web' FROM numbers(3)`,
		"INSERT INTO marks (org_id, day, writer, seq) SELECT {org:String}, {day:Date}, {writer:UUID}, 1",
	} {
		if err := r.exec(ctx, statement, args...); err != nil {
			return fmt.Errorf("add usage to %s: %w", org, err)
		}
	}
	return nil
}

// yesterday is the state of yesterday's slice of a workspace.
func (r *scaleRun) yesterday(ctx context.Context, org string) (s tables.SliceState, err error) {
	f := tables.Filter{Org: org, From: r.last() - 1, To: r.last() - 1}
	all, err := tables.SliceStates(ctx, r.conn, f, false, time.Now())
	if err != nil {
		return s, err
	}
	if len(all) != 1 {
		return s, fmt.Errorf("%s has %d slices on one day", org, len(all))
	}
	return all[0], nil
}
