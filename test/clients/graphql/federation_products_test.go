package graphql

import "slices"

// The data of Apollo's compatibility suite.

type object = map[string]any

var theUser = object{"email": "support@apollographql.com", "name": "Jane Smith", "totalProductsCreated": 1337}

var deprecatedProduct = object{
	"sku": "apollo-federation-v1", "package": "@apollo/federation-v1",
	"reason": "Migrate to Federation V2", "createdBy": theUser,
}

var studies = []object{
	{"study": object{"caseNumber": "1234", "description": "Federation Study"}},
	{"study": object{"caseNumber": "1235", "description": "Studio Study"}},
}

var productList = []object{
	{
		"id": "apollo-federation", "sku": "federation", "package": "@apollo/federation", "variation": object{"id": "OSS"},
		"dimensions": object{"size": "small", "weight": 1, "unit": "kg"}, "createdBy": theUser, "research": studies[:1],
	},
	{
		"id": "apollo-studio", "sku": "studio", "package": "", "variation": object{"id": "platform"},
		"dimensions": object{"size": "small", "weight": 1, "unit": "kg"}, "createdBy": theUser, "research": studies[1:],
	},
}

// productMethods answer with the data. Nil: there is none.
var productMethods = map[string]func(request object) any{
	"GetProduct": func(in object) any {
		return firstProduct(func(p object) bool { return p["id"] == in["id"] })
	},
	"FindProduct": func(in object) any {
		return firstProduct(func(p object) bool {
			variation, _ := p["variation"].(object)
			return p["sku"] == in["sku"] && (p["package"] == in["package"] || variation["id"] == in["variation"])
		})
	},
	"GetDeprecatedProduct": func(in object) any {
		if in["sku"] != deprecatedProduct["sku"] || in["package"] != deprecatedProduct["package"] {
			return nil
		}
		return deprecatedProduct
	},
	"GetResearch": func(in object) any {
		for _, s := range studies {
			if s["study"].(object)["caseNumber"] == in["caseNumber"] {
				return s
			}
		}
		return nil
	},
	"GetInventory": func(in object) any {
		return object{"id": in["id"], "deprecatedProducts": []object{deprecatedProduct}}
	},
	"BatchGetUsers": func(in object) any {
		users := []object{}
		list, _ := in["users"].([]any)
		for _, u := range list {
			users = append(users, userOf(u.(object)))
		}
		return object{"users": users}
	},
}

func firstProduct(matches func(object) bool) any {
	if i := slices.IndexFunc(productList, matches); i >= 0 {
		return productList[i]
	}
	return nil
}

// userOf makes a user of what the supergraph tells about one.
func userOf(key object) object {
	user := object{"email": key["email"], "name": "Jane Smith"}
	total, _ := key["totalProductsCreated"].(float64)
	if years, _ := key["yearsOfEmployment"].(float64); years > 0 {
		user["averageProductsCreatedPerYear"] = int(total / years)
	}
	return user
}
