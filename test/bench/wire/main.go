// Bench measures what it costs to turn protobuf into JSON and back, and to take
// a part of a message, in package wire and in what else one could use, in one
// interleaved run. The measure is processor time as the kernel accounts it, all
// threads counted, so that a collector's work is paid by who made the garbage.
//
// With -count it runs itself under valgrind and prints instructions instead.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
)

func main() {
	rounds := flag.Int("rounds", 11, "interleaved rounds, of which the median counts")
	count := flag.Bool("count", false, "count instructions with valgrind")
	match := flag.String("match", "", "only the tasks, such as out/list, that match this regular expression")
	run := flag.String("run", "", "run one subject, such as out/small/wire, and print nothing")
	times := flag.Int("times", 1000, "how often -run runs it")
	flag.Parse()
	if err := bench(*rounds, *count, *match, *run, *times); err != nil {
		log.Fatal(err)
	}
}

func bench(rounds int, count bool, match, run string, times int) error {
	wanted, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	tasks, err := allTasks()
	if err != nil {
		return err
	}
	tasks = slices.DeleteFunc(tasks, func(t task) bool { return !wanted.MatchString(t.name) })
	switch {
	case run != "":
		return repeat(tasks, run, times)
	case count:
		return printInstructions(os.Stdout, tasks)
	default:
		return printTimes(os.Stdout, tasks, rounds)
	}
}

// repeat runs one subject and nothing else.
func repeat(tasks []task, name string, times int) error {
	for _, t := range tasks {
		for _, s := range t.subjects {
			if t.name+"/"+s.name == name {
				return s.repeat(times)
			}
		}
	}
	return fmt.Errorf("there is no %s", name)
}
