// Writes a TrackedObjectArray, serialised as it would go over the wire, to the file named by the argument.
#include <fstream>
#include <iostream>

#include "fastcdr/Cdr.h"
#include "fastcdr/FastBuffer.h"
#include "perception_nodes/msg/tracked_object_array.hpp"
#include "rosidl_typesupport_cpp/message_type_support.hpp"
#include "rosidl_typesupport_fastrtps_cpp/identifier.hpp"
#include "rosidl_typesupport_fastrtps_cpp/message_type_support.h"

using perception_nodes::msg::TrackedObject;
using perception_nodes::msg::TrackedObjectArray;

int main(int argc, char ** argv)
{
  if (argc != 2) {
    std::cerr << "usage: write_objects FILE\n";
    return 2;
  }
  TrackedObjectArray tracks;
  tracks.header.stamp.sec = 12;
  tracks.header.frame_id = "odom";
  TrackedObject car;
  car.id = 7;
  car.state = TrackedObject::STATE_CONFIRMED;
  car.label = "car";
  car.x = 20.5F;
  car.covariance[35] = 0.25F;
  tracks.objects.push_back(car);

  const auto * type = rosidl_typesupport_cpp::get_message_type_support_handle<TrackedObjectArray>();
  const auto * wire = get_message_typesupport_handle(type, rosidl_typesupport_fastrtps_cpp::typesupport_identifier);
  if (wire == nullptr) {
    std::cerr << "no type support for the wire\n";
    return 1;
  }
  const auto * callbacks = static_cast<const message_type_support_callbacks_t *>(wire->data);
  eprosima::fastcdr::FastBuffer buffer;
  eprosima::fastcdr::Cdr cdr(
    buffer, eprosima::fastcdr::Cdr::DEFAULT_ENDIAN, eprosima::fastcdr::CdrVersion::XCDRv1);
  cdr.set_encoding_flag(eprosima::fastcdr::EncodingAlgorithmFlag::PLAIN_CDR);
  cdr.serialize_encapsulation();
  if (!callbacks->cdr_serialize(&tracks, cdr)) {
    std::cerr << "could not serialise\n";
    return 1;
  }
  std::ofstream file(argv[1], std::ios::binary);
  file.write(buffer.getBuffer(), static_cast<std::streamsize>(cdr.get_serialized_data_length()));
  return file.good() ? 0 : 1;
}
