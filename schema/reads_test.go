package schema

import "testing"

func TestReadsByName(t *testing.T) {
	reads := []string{
		"Get", "List", "Search", "Query", "Lookup", "Count", "Check",
		"GetBook", "get_book", "getBook", "ListBooks", "SearchBooks", "QueryMetrics", "LookupUser", "CountBooks", "CheckHealth",
		"BatchGet", "BatchGetBooks", "GetByName", "ListForOwner", "GetFromCache", "ListHTTPRoutes",
		"GetCheckout", "ListCheckIns", "CheckInventory", "CheckOutages", "GetInvoice", "GetOffer", "ListOutputs", "GetUptime",
		"GetOnCallSchedule", "ListInProgressJobs", "ListOutOfStockItems", "GetOffHours", "ListBackOrders", "GetUpTime",
		"GetTermsAndConditions", "ListOrdersAndItems", "GetAndroidVersion", "GetOrder", "ListOrders", "GetOregonOffice", "GetThenable",
		"GetLock", "ListLocks", "GetUpdate", "ListUpdates", "GetSet", "GetBuild", "GetRestorePoint", "ListPushSubscriptions", "ListAddOns",
		"GetDeletedItems", "GetCreator", "GetDeleteStatus", "ListCancelRequests", "CheckCreatePermission", "ListRemovedUsers",
		"GetFormForUser", "GetUpdateForDevice",
	}
	writes := []string{
		"CheckOut", "CheckIn", "Check_out", "checkOut", "CheckOutBook", "CheckInGuest", "CheckInStock", "CheckOff", "CheckOffTask", "CheckBackIn",
		"CountDown", "CountUp", "ListOut", "QueryIn", "GetBackDeposit",
		"GetAndDelete", "GetAndSet", "GetAndDeleteStatus", "CheckAndSet", "CheckAndMutateRow", "ListAndLock", "LookupAndLock", "CountAndReset", "SearchAndReplace",
		"GetOrCreate", "GetOrCreateBook", "GetBookOrCreate", "LookupOrInsert", "GetByIdOrName",
		"GetThenDelete", "ListJobsThenAck", "GetBookAndDelete", "GetJobAndLock", "ListMessagesAndAcknowledge", "GetTokenAndRotate", "GetRowForUpdate", "ListRowsForDelete",
		"GetDelete", "GetDeleteBook", "GetIncrement", "GetDel", "CheckCreate", "QueryInsert", "BatchGetAndDelete", "BatchGetOrCreate",
		"Listen", "ListenBooks", "Getaway", "Counter", "Checkout", "CheckoutCart", "Checkin", "Querying", "Searchlight",
		"FetchAndLock", "FetchBook", "ReadBook", "BatchListBooks", "Create", "DeleteBook", "WatchBooks", "", "_", "__",
	}
	for _, name := range reads {
		if !readsByName(name) {
			t.Errorf("%s does not read", name)
		}
	}
	for _, name := range writes {
		if readsByName(name) {
			t.Errorf("%s reads", name)
		}
	}
}
