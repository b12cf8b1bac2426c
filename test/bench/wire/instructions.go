package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// printInstructions counts the instructions of each subject. Machines are noisy;
// counts are the same each time, and blind to caches and to what runs beside.
func printInstructions(out io.Writer, tasks []task) error {
	dir, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintf(out, "%-13s %-10s %12s %10s\n", "", "", "instructions", "/byte")
	for _, t := range tasks {
		for _, s := range t.subjects {
			n, err := instructions(dir, t.name+"/"+s.name)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%-13s %-10s %12.0f %10.1f\n", t.name, s.name, n, n/float64(t.bytes))
		}
	}
	return nil
}

// instructions is what 200 runs need more than 100, which have started and warmed up too.
func instructions(dir, name string) (float64, error) {
	few, err := countRun(dir, name, 100)
	if err != nil {
		return 0, err
	}
	many, err := countRun(dir, name, 200)
	return float64(many-few) / 100, err
}

var totals = regexp.MustCompile(`(?m)^(?:summary|totals): (\d+)`)

func countRun(dir, name string, times int) (int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	file := filepath.Join(dir, "counts")
	cmd := exec.CommandContext(context.Background(), "valgrind", "--tool=callgrind", "--callgrind-out-file="+file,
		self, "-run", name, "-times", strconv.Itoa(times))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	if output, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("valgrind: %w\n%s", err, output)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	found := totals.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("valgrind counted nothing for %s", name)
	}
	return strconv.ParseInt(string(found[1]), 10, 64)
}
