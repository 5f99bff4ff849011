/** What each code in the `errors` of an `invalid_request` means. A new code needs a line here. */
export const faultCodes = {
  required: 'A member or parameter that the operation requires is missing.',
  unknown_member: 'The member or parameter does not exist. The message lists the ones that do.',
  wrong_type: 'The value has another JSON type than the schema, for example a string in place of a number.',
  not_one_of: 'The value is not in the list of allowed values, which the message names.',
  out_of_range: 'The number or date is below the minimum or above the maximum.',
  too_short: 'The text has fewer characters than the minimum. Characters are Unicode code points.',
  too_long: 'The text has more characters than the maximum. Characters are Unicode code points.',
  wrong_length: 'The password is shorter or longer than allowed, counted after Unicode normalisation.',
  wrong_format: 'The text does not have the form that the message names, such as a UUID or a date-time.',
  wrong_character: 'The text contains a character that cannot be stored or sent.',
  blank: 'The text is empty or contains only white space.',
  too_few_items: 'The array has fewer items than the minimum.',
  too_many_items: 'The array has more items than the maximum.',
  not_unique: 'The array contains an item twice.',
  repeated: 'The query string contains a parameter more than once.',
  conflict: 'Two parameters cannot be sent together.',
  past: 'The date must be in the future.',
  common_password: 'The password is one of the most common ones.',
  contains_email: 'The password contains the part of the email address before the @.',
  contains_service_name: 'The password has fewer than 8 characters beside the name of the service.',
  not_found: 'The ID does not name an object that you can see.',
  invalid: 'The value is not valid for another reason.',
} as const satisfies Record<string, string>

export type FaultCode = keyof typeof faultCodes
