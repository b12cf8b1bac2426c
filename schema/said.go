package schema

// Origin is who said a block of policy.
type Origin uint8

// The origins, what goes before the others last.
const (
	ByService      Origin = iota // an option of the service, in its .proto file
	ByMethod                     // an option of the method, in its .proto file
	ByField                      // an option of the field, in its .proto file
	ByOperator                   // the configuration: a policy rule or an overlay
	ByRegistration               // the admin API
)

func (o Origin) String() string {
	switch o {
	case ByRegistration:
		return "the admin API"
	case ByOperator:
		return "the operator"
	case ByMethod:
		return "the method's option"
	case ByField:
		return "the field's option"
	default:
		return "the service's option"
	}
}

// Said tells where the block of a kind of policy comes from that holds for a method.
type Said struct {
	By Origin
	// Selector is the rule's; of options it is the name of the element that has them.
	Selector string
	// Position is file:line:column as far as it is known, and may be empty.
	Position string
}
