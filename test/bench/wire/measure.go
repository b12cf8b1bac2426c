package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// figures are what was measured of one subject.
type figures struct {
	nanos  []float64 // processor time of one run, a value for each round
	allocs float64
	times  int // runs in a round
}

// roundTime is the least processor time that one subject gets in a round.
const roundTime = 15 * time.Millisecond

// printTimes measures all subjects of a task in turn, round by round, and
// prints the medians and what they are to those of dynamicpb and of the floor.
func printTimes(out io.Writer, tasks []task, rounds int) error {
	fmt.Fprintf(out, "%-13s %6s  %-10s %11s %8s %10s %10s %10s %9s\n",
		"", "bytes", "", "ns/op", "MB/s", "/dynamicpb", "/generated", "/floor", "allocs/op")
	for _, t := range tasks {
		all := make([]figures, len(t.subjects))
		for i := range all {
			if err := all[i].calibrate(&t.subjects[i]); err != nil {
				return err
			}
		}
		for range rounds {
			for i := range all {
				if err := all[i].round(&t.subjects[i]); err != nil {
					return err
				}
			}
		}
		printTask(out, &t, all)
	}
	return nil
}

// calibrate runs the subject until its buffers have grown and finds how many runs fill a round.
func (f *figures) calibrate(s *subject) error {
	for f.times = 1; ; f.times *= 2 {
		before := processorTime()
		if err := s.repeat(f.times); err != nil {
			return err
		}
		if processorTime()-before >= roundTime {
			break
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := s.repeat(f.times)
	runtime.ReadMemStats(&after)
	f.allocs = float64(after.Mallocs-before.Mallocs) / float64(f.times)
	return err
}

func (f *figures) round(s *subject) error {
	runtime.GC() // each pays for its own garbage
	before := processorTime()
	err := s.repeat(f.times)
	f.nanos = append(f.nanos, float64(processorTime()-before)/float64(f.times))
	return err
}

// processorTime is what all threads have used, in user and kernel mode.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func printTask(out io.Writer, t *task, all []figures) {
	for i, s := range t.subjects {
		nanos := median(all[i].nanos)
		fmt.Fprintf(out, "%-13s %6d  %-10s %11.0f %8.0f %10s %10s %10s %9.0f\n",
			t.name, t.bytes, s.name, nanos, float64(t.bytes)*1000/nanos,
			ratio(t, all, i, "dynamicpb"), ratio(t, all, i, "generated"), ratio(t, all, i, "floor"), all[i].allocs)
	}
	fmt.Fprintln(out, strings.Repeat("-", 96))
}

// ratio returns the median of the ratios, round by round, to another subject.
func ratio(t *task, all []figures, i int, to string) string {
	other := slices.IndexFunc(t.subjects, func(s subject) bool { return s.name == to })
	ratios := make([]float64, len(all[i].nanos))
	for round := range ratios {
		ratios[round] = all[i].nanos[round] / all[other].nanos[round]
	}
	return fmt.Sprintf("%.3f", median(ratios))
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
