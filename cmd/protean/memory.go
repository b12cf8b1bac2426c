package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// A gateway keeps little and throws away much. Go collects garbage whenever there is as much
// of it as of what lives, and here that would be a hundred times a second. So it is let grow to
// garbageRoom, or to a part of the memory that the process may have, before it is collected.
const (
	garbageRoom  = 64 << 20 // bytes
	garbageShare = 8        // at most one part of this many of the limit
	goDefault    = 100      // GOGC
)

// paceCollector sets how often garbage is collected, and makes the limit of the container known
// to the collector, which then works harder as it comes near. The environment's GOGC and
// GOMEMLIMIT go first.
func paceCollector(getenv func(string) string) {
	limit := debug.SetMemoryLimit(-1)
	if found := containerLimit("/sys/fs/cgroup", "/proc/self/cgroup"); found > 0 && getenv("GOMEMLIMIT") == "" {
		limit = found / 10 * 9
		debug.SetMemoryLimit(limit)
	}
	if getenv("GOGC") != "" {
		return
	}
	p := &pacer{room: min(garbageRoom, uint64(limit)/garbageShare), percent: goDefault}
	p.adjust()
	p.watch()
}

// pacer keeps the room for garbage the same while what lives grows and shrinks.
type pacer struct {
	room    uint64
	percent int
}

// sentinel is dead from the start, so that its cleanup tells of a collection.
type sentinel struct{ _ *int }

func (p *pacer) watch() {
	runtime.AddCleanup(&sentinel{new(int)}, func(p *pacer) {
		p.adjust()
		p.watch()
	}, p)
}

// adjust sets the percentage for what the last collection found alive. Each change stops
// all for a moment, so that small ones are left.
func (p *pacer) adjust() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := percentFor(live[0].Value.Uint64(), p.room)
	if percent*10 < p.percent*9 || percent*10 > p.percent*11 {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor is the GOGC that leaves room for garbage beside what lives; never less than Go's own.
func percentFor(live, room uint64) int {
	const least = 1 << 20 // of a heap that is just starting
	return int(max(goDefault, room*100/max(live, least)))
}

// containerLimit returns the bytes of memory that the process's control group may have,
// or 0 where there is no limit or none is known (cgroups(7), versions 2 and 1).
func containerLimit(root, self string) int64 {
	least := int64(math.MaxInt64)
	for _, file := range limitFiles(root, self) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n > 0 && n < 1<<62 { // version 1 says "no limit" as a very large number
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// limitFiles are the files that may hold a limit: those of the group and of all above it.
func limitFiles(root, self string) (files []string) {
	text, err := os.ReadFile(self)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		folder, file := root, "memory.max"
		switch parts[1] {
		case "": // version 2
		case "memory":
			folder, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		default:
			continue
		}
		for group := filepath.Clean("/" + parts[2]); ; group = filepath.Dir(group) {
			files = append(files, filepath.Join(folder, group, file))
			if group == "/" {
				break
			}
		}
	}
	return files
}
