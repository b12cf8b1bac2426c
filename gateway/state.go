package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
)

// state keeps on disk what must survive a restart: the lock of GraphQL names and
// the last good files of each backend, so that a gateway that starts during an
// outage serves. Without a folder nothing is kept. What is read back is checked
// as if a stranger had written it.
type state struct{ folder string }

const namesFile = "names.json"

// openState creates the folder where it is missing.
func openState(folder string) (state, error) {
	s := state{folder: folder}
	if folder == "" {
		return s, nil
	}
	if err := os.MkdirAll(filepath.Join(folder, "backends"), 0o700); err != nil {
		return s, fmt.Errorf("the state folder cannot be used: %w", err)
	}
	return s, nil
}

// names returns the lock, or nil where none was kept.
func (s state) names() (*schema.Names, error) {
	if s.folder == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(s.folder, namesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the kept names cannot be read: %w", err)
	}
	names := &schema.Names{}
	if err := json.Unmarshal(data, names); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); restore it, or remove it and let names be given anew",
			filepath.Join(s.folder, namesFile), err)
	}
	return names, nil
}

func (s state) keepNames(names *schema.Names) error {
	if s.folder == "" {
		return nil
	}
	data, err := json.MarshalIndent(names, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(s.folder, namesFile), append(data, '\n'))
}

const revisionsFile = "registrations.json"

// registrations returns the revisions that were last served from a store elsewhere. What cannot be
// used is left out.
func (s state) registrations() []*adminv1.Revision {
	if s.folder == "" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(s.folder, revisionsFile))
	if err != nil {
		return nil
	}
	kept := &adminv1.ListRevisionsResponse{}
	if err := protojson.Unmarshal(data, kept); err != nil {
		return nil
	}
	return kept.GetRevisions()
}

func (s state) keepRegistrations(revisions []*adminv1.Revision) error {
	if s.folder == "" {
		return nil
	}
	data, err := protojson.Marshal(&adminv1.ListRevisionsResponse{Revisions: revisions})
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(s.folder, revisionsFile), data)
}

const policiesFile = "policies.json"

// policies returns what was last heard from a store elsewhere that was said through the admin service; not
// known, where that cannot be read.
func (s state) policies() (all []*adminv1.RegisteredPolicy, known bool) {
	if s.folder == "" {
		return nil, false
	}
	data, err := os.ReadFile(filepath.Join(s.folder, policiesFile))
	if err != nil {
		return nil, false
	}
	kept := &adminv1.ListPoliciesResponse{}
	if err := protojson.Unmarshal(data, kept); err != nil {
		return nil, false
	}
	return kept.GetPolicies(), true
}

func (s state) keepPolicies(all []*adminv1.RegisteredPolicy) error {
	if s.folder == "" {
		return nil
	}
	data, err := protojson.Marshal(&adminv1.ListPoliciesResponse{Policies: all})
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder, policiesFile)
	if kept, known := s.policies(); known && proto.Equal(&adminv1.ListPoliciesResponse{Policies: kept}, &adminv1.ListPoliciesResponse{Policies: all}) {
		return nil
	}
	return replaceFile(path, data)
}

// keptFiles is what is written for a backend.
type keptFiles struct {
	Backend  string   `json:"backend"`
	Services []string `json:"services"`
	Set      []byte   `json:"set"`
	// Problems say what of the source is not in the set.
	Problems []schema.Problem `json:"problems,omitempty"`
}

// files returns the last good files of a backend, or nil where there are none
// that can be used: they are an aid, not the truth.
func (s state) files(backend string) *schema.Files {
	if s.folder == "" {
		return nil
	}
	data, err := os.ReadFile(s.filesPath(backend))
	if err != nil {
		return nil
	}
	var kept keptFiles
	if err := json.Unmarshal(data, &kept); err != nil || kept.Backend != backend {
		return nil
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(kept.Set, set); err != nil {
		return nil
	}
	files, err := schema.NewFiles(set, kept.Services)
	if err != nil {
		return nil
	}
	files.Problems = kept.Problems
	return files
}

func (s state) keepFiles(backend string, files *schema.Files) error {
	if s.folder == "" {
		return nil
	}
	set, err := proto.Marshal(files.Set)
	if err != nil {
		return err
	}
	data, err := json.Marshal(keptFiles{Backend: backend, Services: files.Services, Set: set, Problems: files.Problems})
	if err != nil {
		return err
	}
	return replaceFile(s.filesPath(backend), data)
}

// filesPath names the file by a digest: a backend's name may hold slashes.
func (s state) filesPath(backend string) string {
	digest := sha256.Sum256([]byte(backend))
	return filepath.Join(s.folder, "backends", hex.EncodeToString(digest[:12])+".json")
}

// replaceFile writes a file whole or not at all, also through a power cut.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
