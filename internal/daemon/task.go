package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// task is a part of a daemon. It runs until its context ends or it fails.
type task func(context.Context) error

// each makes a task that calls do for all that comes by a channel.
func each[T any](ch <-chan T, do func()) task {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ch:
				do()
			}
		}
	}
}

// together runs tasks until one of them or ctx ends, ends the others, and
// returns the first error. It is for tasks without which the process has no
// purpose; keepUp and without make such tasks of others.
func together(ctx context.Context, tasks ...task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, t := range tasks {
		wg.Go(func() {
			defer cancel()
			if err := t(ctx); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

// drainFirst is together for proxies and what stands behind them: at the end of
// ctx the others go on until the proxies have ended. A proxy has mails under way
// for as long as its Drain, about which a mail server still asks the fronts.
func drainFirst(ctx context.Context, proxies, others []task) error {
	if len(proxies) == 0 {
		return together(ctx, others...)
	}
	drain := func(failed context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(failed, cancel)()
		return together(ctx, proxies...)
	}
	return together(context.WithoutCancel(ctx), append(slices.Clip(others), drain)...)
}

// How long keepUp waits before it opens a front again, longer from time to time.
const (
	minRetry = time.Second
	maxRetry = time.Minute
)

// keepUp opens a front, and returns the task that runs it. If the front fails
// later the task reports it and opens it again: the others go on.
func keepUp(log *slog.Logger, f *watchedFront, at string, open func() (task, error)) (task, error) {
	run, err := open()
	if err != nil {
		return nil, err
	}
	f.listens(at)
	return func(ctx context.Context) error {
		pause := minRetry
		for {
			begin := time.Now()
			if err == nil {
				err = run(ctx)
			}
			if ctx.Err() != nil {
				return err
			}
			if time.Since(begin) > maxRetry {
				pause = minRetry
			}
			log.Error("front failed, opening it again", "front", f.name, "at", at, "reason", err, "after", pause)
			f.failed(at, err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, maxRetry)
			if run, err = open(); err == nil {
				f.works(at)
			}
		}
	}, nil
}

// without makes a task whose failure is reported and does not end the others:
// what they do they can do without it.
func without(log *slog.Logger, what string, t task) task {
	return func(ctx context.Context) error {
		err := t(ctx)
		if ctx.Err() != nil {
			return err
		}
		log.Error(what+" has failed, the rest goes on without it", "reason", err)
		<-ctx.Done()
		return nil
	}
}
