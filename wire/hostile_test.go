package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	hostileCase = flag.String("hostile", "", "the one case of TestHostileInput to run")
	hostileSize = flag.Int("hostilesize", 4<<10, "the size of its input, in bytes")
)

// TestHostileInput runs each case once, to see that it is what it says.
func TestHostileInput(t *testing.T) {
	schema := decodeSchemaOf(t)
	for _, h := range hostileInputs {
		if *hostileCase != "" && *hostileCase != h.name {
			continue
		}
		err := h.work(schema.message(h.message), h.make(*hostileSize))
		if (err == nil) != (h.want == "") || err != nil && !strings.Contains(err.Error(), h.want) {
			t.Errorf("%s: %v", h.name, err)
		}
	}
}

// TestCostIsLinear counts the statements of this package that are executed for inputs of one
// size and of four times that size. A test binary that measures coverage counts them, with the
// same result on every machine.
func TestCostIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a test binary")
	}
	const (
		size, factor = 16 << 10, 4
		mostPerByte  = 300 // reading one byte again for each message around it costs more
	)
	binary := filepath.Join(t.TempDir(), "counting.test")
	run(t, "go", "test", "-c", "-covermode=count", "-o", binary, ".")
	for _, h := range hostileInputs {
		one, four := statements(t, binary, h.name, size), statements(t, binary, h.name, factor*size)
		t.Logf("%-40s %5.1f statements per byte, %.2f times as many for four times the size", h.name, float64(one)/size, float64(four)/float64(one))
		if float64(four) > 1.15*factor*float64(one) || one > mostPerByte*size {
			t.Errorf("%s: %d statements for %d bytes, %d for %d", h.name, one, size, four, factor*size)
		}
	}
}

// statements counts what a case executes, without what it takes to get there.
func statements(t *testing.T, binary, name string, size int) int {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile")
	run(t, binary, "-test.run=^TestHostileInput$", "-test.coverprofile="+profile, "-hostile="+name, "-hostilesize="+strconv.Itoa(size))
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var statements, count int
		// A line is `file:from,to statements count`; the first says the mode.
		if _, block, found := strings.Cut(lines.Text(), " "); found {
			if _, err := fmt.Sscan(block, &statements, &count); err == nil {
				total += statements * count
			}
		}
	}
	return total
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, out)
	}
}
