// What the schema is made of: everything a message, a form or a Home tab may hold.
import { HomeView, KnownBlock, ModalView } from "@slack/types";

export interface Sent {
  blocks: KnownBlock[];
  home: HomeView;
  modal: ModalView;
}
