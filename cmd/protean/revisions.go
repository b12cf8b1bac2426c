package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

func revisionsCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.ListRevisionsRequest{}
	get := ""
	c := &cobra.Command{
		Use:   "revisions NAME",
		Short: "List the revisions of a registered backend, or get the descriptors of one",
		Long: `Lists what was registered for a backend, newest first: the first one is served.

With --get REVISION it writes the descriptors of one revision, as a serialized
google.protobuf.FileDescriptorSet, to standard output or to the file that -o names.`,
		Example: `  protean revisions orders
  protean revisions orders --get 3 -o orders.binpb`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("get") {
				return client.getDescriptors(cmd, args[0], get)
			}
			if err := client.read(cmd); err != nil {
				return err
			}
			in.Backend = args[0]
			out := &adminv1.ListRevisionsResponse{}
			if err := client.call(cmd.Context(), "ListRevisions", in, out); err != nil {
				return err
			}
			return client.show(cmd, out, func(p *printer) { p.revisions(out) })
		},
	}
	c.Flags().Int32Var(&in.PageSize, "limit", 20, "maximum number of revisions, up to 100")
	c.Flags().StringVar(&in.PageToken, "after", "", "the `TOKEN` with which the list before ended")
	c.Flags().StringVar(&get, "get", "", "write the descriptors of this `REVISION`, a number or digest, to standard output or -o FILE")
	client.addTo(c)
	c.Flags().Lookup("output").Usage = "the `FORMAT` of what is printed: text or json; with --get the file to write"
	return c
}

// getDescriptors writes the descriptors of a revision. What --output names is then a file.
func (a *adminClient) getDescriptors(cmd *cobra.Command, backend, revision string) error {
	file := ""
	if cmd.Flags().Changed("output") {
		file = a.output
	}
	switch {
	case revision == "":
		return usagef(cmd, "--get: which revision? Give a number or digest that `protean revisions %s` prints", backend)
	case file == "" && isTerminal(cmd.OutOrStdout()):
		return usagef(cmd, "descriptors are binary; name a file with -o FILE")
	}
	a.output = "text"
	if err := a.read(cmd); err != nil {
		return err
	}
	out := &adminv1.Revision{}
	in := &adminv1.GetRevisionRequest{
		Backend: backend, Digest: revision, Parts: []adminv1.GetRevisionRequest_Part{adminv1.GetRevisionRequest_PART_DESCRIPTORS},
	}
	if err := a.call(cmd.Context(), "GetRevision", in, out); err != nil {
		return err
	}
	if file == "" || file == "-" {
		_, err := cmd.OutOrStdout().Write(out.GetDescriptors())
		return err
	}
	return os.WriteFile(file, out.GetDescriptors(), 0o644) //nolint:gosec // descriptors are no secret
}

func (p *printer) revisions(out *adminv1.ListRevisionsResponse) {
	for _, r := range out.GetRevisions() {
		what := plain(r.GetAddress())
		switch {
		case r.GetDeleted():
			what = p.in(red, "deleted")
		case r.GetRollbackOf() != "":
			what += ", back to " + short(r.GetRollbackOf())
		}
		if o := r.GetOverride(); o != nil && (r.GetBreaking() > 0 || o.GetAuthor() == "") { // without author: of an earlier version
			what += ", " + p.in(yellow, "override") + ": " + plain(o.GetReason())
		}
		fmt.Fprintf(p.out, "%4d  %s  %s  %-12s %s\n", r.GetNumber(), p.in(bold, short(r.GetDigest())),
			r.GetCreateTime().AsTime().UTC().Format(time.RFC3339), orDash(r.GetOwner()), what)
		if r.GetReason() != "" {
			fmt.Fprintf(p.out, "      %s\n", plain(r.GetReason()))
		}
	}
	if token := out.GetNextPageToken(); token != "" {
		fmt.Fprintf(p.out, "There are more: --after %s\n", token)
	}
}
