// What these clients know of the example services: less than there is, as clients do.
import { createFileRegistry, fromJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const string = (name, number) => ({ name, number, type: "TYPE_STRING", label: "LABEL_OPTIONAL", jsonName: name });
const int32 = (name, number, jsonName) => ({ name, number, type: "TYPE_INT32", label: "LABEL_OPTIONAL", jsonName });

const files = createFileRegistry(fromJson(FileDescriptorSetSchema, {
  file: [
    {
      name: "catalog.proto",
      package: "acme.catalog.v1",
      syntax: "proto3",
      messageType: [
        { name: "GetBookRequest", field: [string("name", 1)] },
        { name: "Book", field: [string("name", 1), string("title", 2)] },
      ],
      service: [{
        name: "CatalogService",
        method: [{
          name: "GetBook",
          inputType: ".acme.catalog.v1.GetBookRequest",
          outputType: ".acme.catalog.v1.Book",
          options: { idempotencyLevel: "NO_SIDE_EFFECTS" },
        }],
      }],
    },
    {
      name: "tracking.proto",
      package: "acme.tracking.v1",
      syntax: "proto3",
      messageType: [
        { name: "WatchParcelRequest", field: [string("parcel", 1), int32("max_events", 2, "maxEvents")] },
        { name: "ParcelEvent", field: [string("parcel", 1)] },
        { name: "ChatLine", field: [string("from", 1), string("text", 2)] },
      ],
      service: [{
        name: "TrackingService",
        method: [
          {
            name: "WatchParcel",
            inputType: ".acme.tracking.v1.WatchParcelRequest",
            outputType: ".acme.tracking.v1.ParcelEvent",
            serverStreaming: true,
          },
          {
            name: "Chat",
            inputType: ".acme.tracking.v1.ChatLine",
            outputType: ".acme.tracking.v1.ChatLine",
            clientStreaming: true,
            serverStreaming: true,
          },
        ],
      }],
    },
    {
      name: "google/rpc/error_details.proto",
      package: "google.rpc",
      syntax: "proto3",
      messageType: [{ name: "ResourceInfo", field: [string("resource_type", 1), string("resource_name", 2)] }],
    },
  ],
}));

export const catalog = files.getService("acme.catalog.v1.CatalogService");
export const tracking = files.getService("acme.tracking.v1.TrackingService");
export const resourceInfo = files.getMessage("google.rpc.ResourceInfo");
