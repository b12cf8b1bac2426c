package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// sources are the flags that say what is served. serve takes them, and so do
// the commands that load once and look.
type sources struct {
	getenv      func(string) string
	config      string
	backends    []string
	descriptors []string
	protos      []string
	state       string
	none        bool // there may be no backend: teams register theirs
}

func (s *sources) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&s.backends, "backend", nil, "a gRPC server as `[NAME=]ADDR`; may be repeated")
	f.StringArrayVar(&s.descriptors, "descriptors", nil, "a `[NAME=]FILE` with the descriptor set of a backend, in place of reflection")
	f.StringArrayVar(&s.protos, "proto", nil, "a `[NAME=]DIR` with the .proto files of a backend, in place of reflection; repeated for the same backend, or as DIR:DIR, the further folders are searched for imports, as with protoc -I")
	f.StringVar(&s.config, "config", "", "a configuration `FILE` in YAML")
	f.StringVar(&s.state, "state", "", "a `DIR` for what must survive a restart")
}

const sourcesHelp = `
A backend is the address of a gRPC server:

  host:port             in plaintext
  grpcs://host:port     with TLS
  unix:///path          on a Unix socket
  dns:///host:port      every address that the name has

It is asked for its descriptors by server reflection, unless --descriptors or
--proto name a file or folder for it. With several backends these need the name:

  --backend users=localhost:50051 --descriptors users=users.binpb`

// read merges flags, environment and file into one configuration.
func (s *sources) read(cmd *cobra.Command, addresses []string) (*gateway.Configuration, error) {
	if err := s.readEnvironment(cmd); err != nil {
		return nil, err
	}
	config := &gateway.Configuration{Config: &configv1.Config{}}
	if s.config != "" {
		var err error
		if config, err = gateway.ReadConfig(s.config); err != nil {
			return nil, usagef(nil, "%v", err)
		}
	}
	for _, address := range append(s.backends, addresses...) {
		if err := addBackend(cmd, config.Config, address); err != nil {
			return nil, err
		}
	}
	for _, file := range s.descriptors {
		b, path, err := sourceOf(cmd, config.Config, "--descriptors", file)
		if err != nil {
			return nil, err
		}
		b.Source = &configv1.Backend_Descriptors{Descriptors: path}
	}
	fromFlags := make(map[*configv1.Backend]bool)
	for _, folder := range s.protos {
		b, path, err := sourceOf(cmd, config.Config, "--proto", folder)
		if err != nil {
			return nil, err
		}
		addProto(b, path, fromFlags[b])
		fromFlags[b] = true
	}
	if s.state != "" {
		config.State = proto.String(s.state)
	}
	if len(config.GetBackends()) == 0 && !(s.none && (config.GetState() != "" || config.GetRegistry() != nil)) {
		return nil, usagef(cmd, "no backend; name the address of a gRPC server, such as localhost:50051, a file with --config, or --state DIR for teams to register theirs")
	}
	return config, nil
}

// addProto takes the folders in DIR:DIR: the first has the files to serve, unless there is one already; the others are
// searched for imports.
func addProto(b *configv1.Backend, list string, more bool) {
	folders := filepath.SplitList(list)
	if !more && len(folders) > 0 {
		b.Source, b.ProtoImports = &configv1.Backend_Proto{Proto: folders[0]}, nil
		folders = folders[1:]
	}
	b.ProtoImports = append(b.ProtoImports, folders...)
}

// readEnvironment fills flags that were not given.
func (s *sources) readEnvironment(cmd *cobra.Command) error {
	for _, name := range []string{"backend", "descriptors", "proto", "config", "state"} {
		if err := fromEnvironment(cmd, s.getenv, name); err != nil {
			return err
		}
	}
	return nil
}

// fromEnvironment sets a flag that was not given from PROTEAN_NAME. Lists are
// separated by commas.
func fromEnvironment(cmd *cobra.Command, getenv func(string) string, name string) error {
	variable := "PROTEAN_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	value := getenv(variable)
	flag := cmd.Flags().Lookup(name)
	if value == "" || flag.Changed {
		return nil
	}
	values := []string{value}
	if flag.Value.Type() == "stringArray" {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		if err := cmd.Flags().Set(name, v); err != nil {
			return usagef(cmd, "%s: %v", variable, err)
		}
	}
	return nil
}

// addBackend takes `[NAME=]ADDR`. A backend of the same name in the file gives way.
func addBackend(cmd *cobra.Command, config *configv1.Config, text string) error {
	name, address, named := cutName(text)
	if !named {
		name = address
	}
	if address == "" || name == "" {
		return usagef(cmd, "backend %q: expected [NAME=]ADDR", text)
	}
	b := &configv1.Backend{Name: proto.String(name), Address: proto.String(address)}
	for i, other := range config.GetBackends() {
		if gateway.BackendName(other) == name {
			config.Backends[i] = b
			return nil
		}
	}
	config.Backends = append(config.Backends, b)
	return nil
}

// sourceOf finds the backend that `[NAME=]PATH` belongs to.
func sourceOf(cmd *cobra.Command, config *configv1.Config, flag, text string) (*configv1.Backend, string, error) {
	name, path, named := cutName(text)
	backends := config.GetBackends()
	if !named {
		if len(backends) != 1 {
			return nil, "", usagef(cmd, "%s %s: there are %d backends; say which one with %s NAME=%s", flag, path, len(backends), flag, path)
		}
		return backends[0], path, nil
	}
	var known []string
	for _, b := range backends {
		if gateway.BackendName(b) == name {
			return b, path, nil
		}
		known = append(known, gateway.BackendName(b))
	}
	return nil, "", usagef(cmd, "%s %s: there is no backend named %q; add --backend %s=ADDR (known: %s)",
		flag, text, name, name, orNone(known))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// cutName splits `NAME=REST`. An equals sign after a slash belongs to a path.
func cutName(text string) (name, rest string, named bool) {
	i := strings.IndexByte(text, '=')
	if i <= 0 || strings.ContainsAny(text[:i], "/") {
		return "", text, false
	}
	return text[:i], text[i+1:], true
}

// again says how the configuration is read while a gateway runs.
func (s *sources) again(read func() (*gateway.Configuration, error)) gateway.ConfigSource {
	if s.config == "" {
		return gateway.ConfigSource{}
	}
	return gateway.ConfigSource{Read: read, Paths: []string{s.config}}
}
