// What stands in the fields of one message or view: {block: {action: value}}.
import { createContext, useContext, useState } from "react";

export const FieldsOf = createContext(null);

/** The fields of the form around, or of this message alone. */
export function useFields() {
  const around = useContext(FieldsOf);
  const [fields, setFields] = useState({});
  return around ?? { fields, setFields, errors: {} };
}

export const put = (fields, block, action, value) => ({ ...fields, [block]: { ...fields[block], [action]: value } });

const INITIAL = /^initial_/;

/** What an element shows before anybody touches it. */
export function initial(element) {
  const name = Object.keys(element).find((one) => INITIAL.test(one));
  return name && element[name];
}
