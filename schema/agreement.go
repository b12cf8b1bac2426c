package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The bounds of what is asked of the replicas of one backend.
const (
	maxAskedReplicas  = 16 // in one load; where there are more, the next load goes on with the others
	askedAtOnce       = 4
	confirmations     = 2  // further questions to a lone address whose files changed
	flapLoads         = 20 // within which files that come back are not taken for news at once
	settledLoads      = 4  // that must agree before they are
	shownReplicas     = 8
	shownDifferences  = 8
	longestDifference = 200
)

// SkewError says that servers of one backend have different files: they run
// different versions. Files that come with it are what to serve where no others ever were.
type SkewError struct {
	// Versions are the different files, those that most replicas have first.
	Versions []ReplicaVersion
	// Registered: they are other files than what was registered, which is served.
	Registered bool
	// Differ are the services, and where there are none the files, that are not the same in all.
	Differ []string
	// Absent are registered services that some server does not have, with the servers.
	Absent []AbsentService
}

// AbsentService is a registered service that some servers do not have.
type AbsentService struct {
	Service string
	From    []string // addresses of the servers
}

// ReplicaVersion is what some replicas of a backend have.
type ReplicaVersion struct {
	Digest string // of the files
	From   []string
}

func (e *SkewError) Error() string {
	var b strings.Builder
	if e.Registered {
		b.WriteString("servers run another version than is registered: ")
	} else {
		b.WriteString("its replicas run different versions: ")
	}
	for i, v := range e.Versions {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s at %s", v.Digest[:min(12, len(v.Digest))], some(v.From, shownReplicas))
	}
	if len(e.Differ) > 0 {
		fmt.Fprintf(&b, "; it shows in %s", some(e.Differ, shownDifferences))
	}
	for _, absent := range e.Absent[:min(len(e.Absent), shownDifferences)] {
		fmt.Fprintf(&b, "; the server at %s does not have %s", some(absent.From, shownReplicas), absent.Service)
	}
	if e.Registered {
		b.WriteString("; what is registered stays served")
	} else {
		b.WriteString("; what they agreed on last stays served until they agree again")
	}
	return b.String()
}

// some names the first of a list.
func some(names []string, most int) string {
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, strings.ToValidUTF8(name[:min(len(name), longestDifference)], ""))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// agreement finds out which files the replicas of a backend agree on. It belongs to one source
// and is used by one goroutine at a time.
type agreement struct {
	agreed  *Files // the last that all had; nil: there were none yet
	loads   int
	left    map[string]int // by digest: the load in which files were agreed on last
	waiting string         // the digest of files that came back
	waited  int            // loads in which all had them
}

// decide takes what each replica answered last and returns what all agree on. Where they do not, or did not
// a moment ago, it is a [SkewError], with the files that most replicas have.
func (a *agreement) decide(answers map[string]*Files) (*Files, error) {
	a.loads++
	versions := versionsOf(answers)
	first := answers[versions[0].From[0]]
	if len(versions) > 1 {
		a.waited = 0
		return first, &SkewError{Versions: versions, Differ: differences(first, answers[versions[1].From[0]])}
	}
	if !a.settled(first.Digest) {
		before := ReplicaVersion{Digest: a.agreed.Digest, From: []string{"the same a moment ago"}}
		return a.agreed, &SkewError{Versions: append(versions, before), Differ: differences(first, a.agreed)}
	}
	a.agree(first)
	return first, nil
}

// settled reports whether files that all have may be served. Those that were left a moment ago
// may come from another server behind the same address, and must stay for some loads.
func (a *agreement) settled(digest string) bool {
	if a.agreed == nil || a.agreed.Digest == digest {
		a.waited = 0
		return true
	}
	was, known := a.left[digest]
	if !known || a.loads-was > flapLoads {
		return true
	}
	if a.waiting != digest {
		a.waiting, a.waited = digest, 0
	}
	a.waited++
	return a.waited >= settledLoads
}

func (a *agreement) agree(files *Files) {
	if a.left == nil {
		a.left = make(map[string]int)
	}
	maps.DeleteFunc(a.left, func(_ string, was int) bool { return a.loads-was > flapLoads })
	a.left[files.Digest] = a.loads
	a.agreed = files
}

// isNews reports whether files are others than those that were agreed on.
func (a *agreement) isNews(files *Files) bool {
	return a.agreed != nil && a.agreed.Digest != files.Digest
}

// versionsOf groups replicas by what they have, the largest group first.
func versionsOf(answers map[string]*Files) []ReplicaVersion {
	by := make(map[string][]string)
	for _, from := range slices.Sorted(maps.Keys(answers)) {
		digest := answers[from].Digest
		by[digest] = append(by[digest], from)
	}
	versions := make([]ReplicaVersion, 0, len(by))
	for digest, from := range by {
		versions = append(versions, ReplicaVersion{digest, from})
	}
	slices.SortFunc(versions, func(x, y ReplicaVersion) int {
		return cmp.Or(cmp.Compare(len(y.From), len(x.From)), cmp.Compare(x.Digest, y.Digest))
	})
	return versions
}
