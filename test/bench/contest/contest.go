// Package contest measures several processes that do the same work, in one interleaved
// run. What counts is each process's own processor time as the kernel accounts it, and
// the ratio of two in the same round: absolute figures move with the machine.
package contest

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/protean-gateway/protean/test/bench/process"
)

// Subject is a process that is measured.
type Subject struct {
	*process.Process
	Name string
}

// Scenario is work that subjects do.
type Scenario struct {
	Name string
	// Count is how many requests, messages or events Load makes: what one of them costs is shown.
	Count int
	// Load makes a subject do the work once.
	Load func(Subject) error
	// Subjects are the names of those that can.
	Subjects []string
	Goals    []Goal
}

// Goal is what the first subject should cost at most, beside another one.
type Goal struct {
	Beside string
	AtMost float64
}

// Contest is a set of subjects and how they are measured.
type Contest struct {
	Subjects []Subject // the first is the one that has goals
	Rounds   int
	Profiles string // the folder that profiles go to; empty: none
}

// figures are what was measured of one subject.
type figures struct {
	micros  []float64 // processor time of one request, a value for each round
	objects float64   // allocated for one
	cycles  int64     // of the garbage collector in the last round
}

// Run measures a scenario and prints a table of it.
func (c *Contest) Run(out io.Writer, s Scenario) error {
	subjects := c.of(s)
	all := make([]figures, len(subjects))
	for round := range c.Rounds + 1 {
		for i := range subjects {
			turn := (i + round) % len(subjects)
			if err := all[turn].measure(subjects[turn], s); err != nil {
				return fmt.Errorf("%s, %s: %w", s.Name, subjects[turn].Name, err)
			}
		}
	}
	for i := range all {
		all[i].micros = all[i].micros[1:] // the first round warms up
	}
	print(out, s, subjects, all)
	return c.profile(s, subjects)
}

func (c *Contest) of(s Scenario) (subjects []Subject) {
	for _, subject := range c.Subjects {
		if slices.Contains(s.Subjects, subject.Name) {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}

func (f *figures) measure(subject Subject, s Scenario) error {
	heap, err := subject.Heap()
	if err != nil {
		return err
	}
	before, err := subject.CPU()
	if err != nil {
		return err
	}
	if err := s.Load(subject); err != nil {
		return err
	}
	after, err := subject.CPU()
	if err != nil {
		return err
	}
	now, err := subject.Heap()
	f.micros = append(f.micros, float64((after-before).Microseconds())/float64(s.Count))
	f.objects = float64(now.Objects-heap.Objects) / float64(s.Count)
	f.cycles = now.Collections - heap.Collections
	return err
}

func (c *Contest) profile(s Scenario, subjects []Subject) error {
	if c.Profiles == "" {
		return nil
	}
	for _, subject := range subjects {
		name := strings.ReplaceAll(s.Name+" "+subject.Name, " ", "-") + ".pprof"
		if err := subject.Profile(filepath.Join(c.Profiles, name), func() error { return s.Load(subject) }); err != nil {
			return err
		}
	}
	return nil
}

// print shows medians, and the spread of the rounds in brackets.
func print(out io.Writer, s Scenario, subjects []Subject, all []figures) {
	fmt.Fprintf(out, "%s\n", s.Name)
	for i, subject := range subjects {
		fmt.Fprintf(out, "  %-13s %8s µs  %7.1f allocations  %4d collections",
			subject.Name, spread(all[i].micros, 1), all[i].objects, all[i].cycles)
		for _, goal := range s.Goals {
			if other := indexOf(subjects, goal.Beside); i == 0 && other >= 0 {
				fmt.Fprintf(out, "  %s × %s, goal %.2f", spread(ratios(all[0].micros, all[other].micros), 2), goal.Beside, goal.AtMost)
			}
		}
		fmt.Fprintln(out)
	}
}

func indexOf(subjects []Subject, name string) int {
	return slices.IndexFunc(subjects, func(s Subject) bool { return s.Name == name })
}

func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

func spread(values []float64, digits int) string {
	sorted := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, sorted[len(sorted)/2], digits, sorted[0], digits, sorted[len(sorted)-1])
}
